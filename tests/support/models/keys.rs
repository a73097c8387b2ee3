//! Keys that change, and what becomes of them: `NaturalPKRollbackTest`, `RowSwitchTest`.

use aludel::ObjectState;
use aludel::prelude::*;

use super::{Share, User, session_on};
use crate::cases::Stage;

/// An object is found by its new key after the flush, and by its old one after the rollback.
pub fn natural_keys_change<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Share: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let tea = session.add(Share::new("ann", "TEA", 1));
    let rum = session.add(Share::new("ann", "RUM", 2));
    session.commit()?;
    let by = |session: &mut Session<C>, of: &str| session.get::<Share>(Share::key_of("ann", of));

    session.delete(rum)?;
    session.flush()?;
    session.edit(tea)?.of = "RUM".into();
    session.flush()?;
    assert_eq!(by(&mut session, "RUM")?, Some(tea));
    assert_eq!(by(&mut session, "TEA")?, None);
    session.assert_invariants();
    session.rollback()?;
    session.assert_invariants();
    assert_eq!(
        (by(&mut session, "TEA")?, by(&mut session, "RUM")?),
        (Some(tea), Some(rum))
    );
    assert_eq!((session[tea].amount, session[rum].amount), (1, 2));

    session.edit(tea)?.of = "GIN".into();
    session.commit()?;
    session.rollback()?;
    assert_eq!(by(&mut session, "GIN")?, Some(tea));
    assert_eq!(by(&mut session, "TEA")?, None);
    session.assert_invariants();
    session.rollback()
}

pub fn a_key_that_was_changed_returns_with_its_savepoint<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Share: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let share = session.add(Share::new("ann", "A", 1));
    session.commit()?;
    let by = |session: &mut Session<C>, of: &str| session.get::<Share>(Share::key_of("ann", of));
    session.edit(share)?.of = "B".into();
    let failed: aludel::Result<()> = session.begin_nested(|nested| {
        nested.edit(share)?.of = "C".into();
        nested.begin_nested(|inner| {
            inner.edit(share)?.of = "D".into();
            Ok(())
        })?;
        assert_eq!(by(nested, "D")?, Some(share));
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    session.assert_invariants();
    assert_eq!(by(&mut session, "B")?, Some(share));
    assert_eq!((by(&mut session, "C")?, by(&mut session, "D")?), (None, None));
    session.begin_nested(|nested| {
        nested.edit(share)?.of = "E".into();
        Ok(())
    })?;
    assert_eq!(by(&mut session, "E")?, Some(share));
    session.rollback()?;
    session.assert_invariants();
    assert_eq!(by(&mut session, "A")?, Some(share));
    session.rollback()
}

/// A new object under the key of one that was deleted, or moved away: with the rollback each is where it was.
pub fn a_new_object_with_a_freed_key<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Share: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let old = session.add(Share::new("ann", "A", 1));
    session.commit()?;
    let by = |session: &mut Session<C>, of: &str| session.get::<Share>(Share::key_of("ann", of));
    session.edit(old)?.of = "B".into();
    session.flush()?;
    let new = session.add(Share::new("ann", "A", 2));
    session.flush()?;
    assert_eq!((by(&mut session, "A")?, by(&mut session, "B")?), (Some(new), Some(old)));
    session.assert_invariants();
    session.rollback()?;
    session.assert_invariants();
    assert_eq!((by(&mut session, "A")?, by(&mut session, "B")?), (Some(old), None));
    assert_eq!(session.state(new), ObjectState::Detached);

    session.delete(old)?;
    session.flush()?;
    let failed: aludel::Result<()> = session.begin_nested(|nested| {
        let new = nested.add(Share::new("ann", "A", 3));
        nested.flush()?;
        assert_eq!(by(nested, "A")?, Some(new));
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    session.assert_invariants();
    assert_eq!(
        (by(&mut session, "A")?, session.state(old)),
        (None, ObjectState::Deleted)
    );
    session.rollback()?;
    session.assert_invariants();
    assert_eq!(by(&mut session, "A")?, Some(old));
    session.rollback()
}

/// New wins: what was added and deleted in one transaction is nothing after its rollback.
pub fn deleted_and_new_in_one_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.flush()?;
    let failed: aludel::Result<()> = session.begin_nested(|nested| {
        nested.delete(ann)?;
        nested.flush()?;
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    assert_eq!(session.state(ann), ObjectState::Persistent);
    session.delete(ann)?;
    session.flush()?;
    session.assert_invariants();
    session.rollback()?;
    assert_eq!(session.state(ann), ObjectState::Detached);
    session.assert_invariants();
    session.commit()
}
