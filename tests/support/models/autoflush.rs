//! When queries write what is pending: `SessionStateTest`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::prelude::*;
use aludel::{Error, SessionFactory};
use diesel::connection::SimpleConnection as _;

use super::{Address, User, expect_sent, session_on};
use crate::cases::Stage;

pub fn autoflush<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.get::<User>(99)?;
    expect_sent(stage, &["INSERT users", "SELECT users"]);
    session.edit(ann)?.name = "a".into();
    session.batch_execute("SELECT count(*) FROM users")?;
    expect_sent(stage, &["UPDATE users", "SELECT users"]);
    session.edit(ann)?.name = "b".into();
    session.get_many::<User>([98, 99])?;
    expect_sent(stage, &["UPDATE users", "SELECT users"]);
    session.edit(ann)?.name = "c".into();
    session.children(ann, Address::USER_ID)?;
    expect_sent(stage, &["UPDATE users", "SELECT addresses"]);
    session.edit(ann)?.name = "d".into();
    session.refresh(ann)?;
    expect_sent(stage, &["UPDATE users", "SELECT users"]);
    session.edit(ann)?.name = "e".into();
    session.get::<User>(1)?;
    session.get_many::<User>([1])?;
    expect_sent(stage, &[]);
    session.rollback()
}

pub fn with_no_autoflush<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.no_autoflush(|session| {
        session.no_autoflush(|session| session.get::<User>(1))?;
        session.get::<User>(1)
    })?;
    expect_sent(stage, &["SELECT users", "SELECT users"]);
    assert_eq!(session.pending::<User>(), [ann]);
    let panicked: std::thread::Result<()> =
        catch_unwind(AssertUnwindSafe(|| session.no_autoflush(|_| panic!("on purpose"))));
    assert!(panicked.is_err());
    assert_eq!(session.get::<User>(1)?, Some(ann));
    expect_sent(stage, &["INSERT users"]);
    session.commit()?;

    let mut session = SessionFactory::new(&stage.engine).autoflush(false).session();
    let bob = session.add(User::new("bob"));
    stage.sent.clear();
    assert_eq!(session.get::<User>(2)?, None);
    expect_sent(stage, &["SELECT users"]);
    session.begin_nested(|nested| nested.get::<User>(2).map(drop))?;
    expect_sent(stage, &["INSERT users"]);
    session.edit(bob)?.name = "bobby".into();
    session.commit()?;
    expect_sent(stage, &["UPDATE users"]);
    Ok(())
}

type Attempt<C> = fn(&mut Session<C>) -> aludel::Result<()>;

/// A flush that fails in front of a query says so, and what to do.
pub fn autoflush_2<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    session.add(Address::new("ann@a"));
    session.commit()?;
    let attempts: [Attempt<C>; 3] = [
        |session| session.get::<User>(1).map(drop),
        |session| session.batch_execute("SELECT count(*) FROM users").map_err(Error::from),
        Session::flush,
    ];
    for (number, attempt) in attempts.into_iter().enumerate() {
        session.add(Address::new("ann@a"));
        stage.sent.clear();
        let error = attempt(&mut session).expect_err("it is taken");
        expect_sent(stage, &["INSERT addresses"]);
        let text = error.to_string();
        assert!(error.as_diesel().is_some(), "the first cause is the database's: {text}");
        assert_eq!(
            text.contains("autoflush") && text.contains("no_autoflush"),
            number < 2,
            "{text}"
        );
        assert!(session.is_doomed());
        session.rollback()?;
        session.assert_invariants();
    }
    Ok(())
}
