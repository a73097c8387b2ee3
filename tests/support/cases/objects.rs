//! What becomes of objects when transactions and savepoints end: `FixtureDataTest`, `CleanSavepointTest`, `AutoExpireTest`,
//! `SavepointTest`, `NaturalPKRollbackTest`.

use aludel::prelude::*;
use diesel::connection::SimpleConnection;

use super::Stage;
use super::session::{balances, books, fixture, no, statements};
use crate::account::Account;

// ---- FixtureDataTest, CleanSavepointTest, AutoExpireTest ------------------------------------------------------------

pub fn attrs_on_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session[ann].owner = "Anna".into();
    session.rollback()?;
    assert_eq!(session.read(ann)?.owner, "Ann");
    assert_eq!(statements(stage), ["SELECT"], "it was never written, and is read again");
    session.edit(ann)?.owner = "Anna".into();
    session.flush()?;
    session.rollback()?;
    assert_eq!(session.read(ann)?.owner, "Ann");
    Ok(())
}

pub fn commit_persistent<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session[ann].owner = "Anna".into();
    session.flush()?;
    session.commit()?;
    assert_eq!(session.read(ann)?.owner, "Anna");
    session.rollback()?;
    assert_eq!(session.read(ann)?.owner, "Anna");
    assert_eq!(books(stage)?[0], (1, "Anna".to_owned(), 500));
    Ok(())
}

/// What others have committed is seen after one's own commit.
pub fn concurrent_commit_persistent<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session.commit()?;
    stage.engine.begin(|other| {
        let theirs = other.get_one::<Account>(1)?;
        other[theirs].owner = "Anna".into();
        Ok(())
    })?;
    assert_eq!(session.read(ann)?.owner, "Anna");
    Ok(())
}

/// An UPDATE beside the objects, in a savepoint that is undone: what it has touched is read again, and shows the old value.
/// A full rollback has everything read again, touched or not.
pub fn rollback_ignores_clean_on_savepoint_agg_upd<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    let failed = session.begin_nested(|nested| {
        nested.batch_execute("UPDATE accounts SET balance = 77 WHERE id = 1")?;
        assert_eq!(nested.read(ann)?.balance, 77);
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    assert_eq!(session.read(ann)?.balance, 500);
    statements(stage);
    session.rollback()?;
    assert_eq!((session.read(ann)?.balance, session.read(bob)?.balance), (500, 0));
    assert_eq!(statements(stage), ["SELECT", "SELECT"]);
    Ok(())
}

pub fn expunge_pending_on_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let (flushed, pending) = (session.add(Account::new("Ann", 1)), session.add(Account::new("Bob", 1)));
    session.flush()?;
    let late = session.add(Account::new("Carol", 1));
    session.rollback()?;
    for gone in [flushed, pending, late] {
        assert!(session.read(gone).expect_err("it was never there").is_stale_entity());
    }
    session.commit()?;
    assert_eq!(stage.rows(), []);
    Ok(())
}

/// What was committed is no new object any more: a later rollback leaves it where it is.
pub fn trans_pending_cleared_on_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let ann = session.add(Account::new("Ann", 1));
    session.commit()?;
    session.edit(ann)?.balance = 2;
    session.flush()?;
    session.rollback()?;
    assert_eq!(session.read(ann)?.balance, 1);
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    Ok(())
}

pub fn update_deleted_on_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    session[bob].balance = 7;
    session.flush()?;
    session.delete(ann)?; // marked, and never written
    session.delete(bob)?;
    session.rollback()?;
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    assert_eq!(session.get::<Account>(2)?, Some(bob));
    assert_eq!(session.read(bob)?.balance, 0);
    session.commit()?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

pub fn commit_pending<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let ann = session.add(Account::new("Ann", 1));
    session.flush()?;
    session.commit()?;
    assert_eq!((session.read(ann)?.id, session.read(ann)?.owner.as_str()), (1, "Ann"));
    Ok(())
}

pub fn concurrent_commit_pending<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let ann = session.add(Account::new("Ann", 1));
    session.commit()?;
    stage.engine.begin(|other| {
        let theirs = other.get_one::<Account>(1)?;
        other[theirs].owner = "Anna".into();
        Ok(())
    })?;
    assert_eq!(session.read(ann)?.owner, "Anna");
    Ok(())
}

// ---- SavepointTest --------------------------------------------------------------------------------------------------

/// Only what was touched in the savepoint is read again after it was undone; a release has nothing read again.
pub fn savepoint_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    session[ann].balance = 1;
    let failed = session.begin_nested(|nested| {
        nested[bob].balance = 2;
        nested.flush()?;
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    assert_eq!(
        statements(stage),
        ["UPDATE", "UPDATE"],
        "what was pending goes before the savepoint"
    );
    assert_eq!((session.read(ann)?.balance, session.read(bob)?.balance), (1, 0));
    assert_eq!(statements(stage), ["SELECT"], "Ann was not touched in it");
    session.begin_nested(|nested| {
        nested[bob].balance = 3;
        Ok(())
    })?;
    assert_eq!((session.read(ann)?.balance, session.read(bob)?.balance), (1, 3));
    assert_eq!(statements(stage), ["UPDATE"]);
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 1), (2, 3)]);
    Ok(())
}

pub fn savepoint_delete<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, _, bob) = fixture(stage)?;
    session.begin_nested(|nested| nested.delete(bob))?;
    assert!(session.read(bob).expect_err("it is deleted").is_stale_entity());
    assert_eq!(session.get::<Account>(2)?, None);
    session.commit()?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn savepoint_expunge_pending_on_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let ann = session.add(Account::new("Ann", 1)); // written before the savepoint is set
    let mut lost = Vec::new();
    let failed = session.begin_nested(|nested| {
        lost.push(nested.add(Account::new("Bob", 1)));
        nested.flush()?;
        lost.push(nested.add(Account::new("Carol", 1)));
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    for gone in lost {
        assert!(session.read(gone).expect_err("it was never there").is_stale_entity());
    }
    assert_eq!(session.read(ann)?.owner, "Ann");
    session.commit()?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn savepoint_update_deleted_on_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    let failed = session.begin_nested(|nested| {
        nested.delete(ann)?;
        nested.flush()?;
        nested.delete(bob)?;
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    assert_eq!(session.get::<Account>(2)?, Some(bob));
    session.commit()?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

/// A savepoint that the server has lost is an error; its objects follow the rollback of the root, and the session goes on.
pub fn savepoint_lost<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    let error = session
        .begin_nested(|nested| {
            nested[ann].balance = 1;
            nested.with_raw(|raw| Ok(raw.batch_execute("RELEASE SAVEPOINT aludel_sp_1")?))
        })
        .expect_err("there is nothing to release");
    assert!(error.is_doomed(), "{error}");
    session.rollback()?;
    assert_eq!(session.read(ann)?.balance, 500);
    session.edit(ann)?.balance = 2;
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 2), (2, 0)]);
    Ok(())
}

// ---- NaturalPKRollbackTest ------------------------------------------------------------------------------------------

/// A row is deleted and another one put under its key: a rollback brings the first one back there.
pub fn reloaded_deleted_checked_for_expiry<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, _, bob) = fixture(stage)?;
    session.delete(bob)?;
    session.flush()?;
    let other = session.add(Account {
        id: 2,
        ..Account::new("Bill", 9)
    });
    session.flush()?;
    assert_eq!(session.get::<Account>(2)?, Some(other));
    session.rollback()?;
    assert!(session.read(other).expect_err("it was never there").is_stale_entity());
    assert_eq!(session.read(bob)?.owner, "Bob");
    assert_eq!(session.get::<Account>(2)?, Some(bob));
    assert_eq!(books(stage)?[1], (2, "Bob".to_owned(), 0));
    Ok(())
}

/// A key that was changed to that of a deleted row: a rollback puts both back where they were.
pub fn multiple_key_replaced_by_update<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    session.delete(bob)?;
    session.flush()?;
    session[ann].id = 2;
    session.flush()?;
    assert_eq!(session.get::<Account>(2)?, Some(ann));
    assert_eq!(session.get::<Account>(1)?, None);
    session.assert_invariants();
    session.rollback()?;
    session.assert_invariants();
    assert_eq!((session.read(ann)?.id, session.read(bob)?.id), (1, 2));
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    assert_eq!(session.get::<Account>(2)?, Some(bob));
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}
