//! Transactions and savepoints of a session, with its objects: `SessionTransactionTest`, `SubtransactionRecipeTest`,
//! `FixtureDataTest`, `CleanSavepointTest`, `AutoExpireTest`, `SavepointTest`, `ContextManagerPlusFutureTest`,
//! `TransactionFlagsTest`, `NaturalPKRollbackTest`.

use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome};
use diesel::connection::SimpleConnection;

use super::{Stage, look};
use crate::account::Account;

/// The stories of this module as tests on the stages that a function makes.
#[macro_export]
macro_rules! session_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, session:
            no_close_transaction_on_flush
            nested_accounting_deleted_items_restored
            transactions_isolated
            nested_transaction
            nested_transaction_connection_add
            mixed_transaction_close
            no_rollback_in_committed_state
            execution_options_begin_transaction
            warning_on_using_inactive_session_new
            warning_on_using_inactive_session_dirty
            no_autobegin_after_explicit_commit
            recipe_commit_one
            recipe_subtransaction_on_noautocommit
            recipe_error_on_using_inactive_session_commands
            recipe_deactive_status_check
            attrs_on_rollback
            commit_persistent
            concurrent_commit_persistent
            rollback_ignores_clean_on_savepoint_agg_upd
            expunge_pending_on_rollback
            trans_pending_cleared_on_commit
            update_deleted_on_rollback
            commit_pending
            concurrent_commit_pending
            savepoint_rollback
            savepoint_delete
            savepoint_expunge_pending_on_rollback
            savepoint_update_deleted_on_rollback
            savepoint_lost
            contextmanager_nested_rollback
            contextmanager_commit
            contextmanager_rollback
            explicit_begin
            no_double_begin_explicit
            session_as_ctx_manager_one
            session_as_ctx_manager_two
            begin_context_manager
            begin_context_manager_rollback_trans
            begin_context_manager_rollback_outer
            in_transaction
            in_transaction_subtransactions
            reloaded_deleted_checked_for_expiry
            multiple_key_replaced_by_update
        }
    };
}

/// An error of the caller's own.
fn no() -> Error {
    Error::other("not enough tea")
}

/// A session that has read Ann (1, balance 500) and Bob (2, balance 0).
fn fixture<C: Dialect>(stage: &Stage<C>) -> aludel::Result<(Session<C>, Entity<Account>, Entity<Account>)>
where
    Account: Persist<C::Backend>,
{
    stage.engine.begin(|session| {
        session.add(Account::new("Ann", 500));
        session.flush()?;
        session.add(Account::new("Bob", 0));
        Ok(())
    })?;
    let mut session = stage.engine.session();
    let (ann, bob) = (session.get_one(1)?, session.get_one(2)?);
    stage.log.clear();
    stage.sent.clear();
    Ok((session, ann, bob))
}

/// Keys, owners and balances, as everybody else sees them.
fn books<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Vec<(i32, String, i64)>>
where
    Account: Persist<C::Backend>,
{
    let quiet = Engine::<C>::new(stage.engine.url().clone())?;
    let mut session = quiet.session();
    let row = |id| {
        let entity = session.get_one::<Account>(id)?;
        let account = session.read(entity)?;
        Ok((id, account.owner.clone(), account.balance))
    };
    stage.rows().into_iter().map(row).collect()
}

/// [`books`] without the owners.
fn balances<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Vec<(i32, i64)>>
where
    Account: Persist<C::Backend>,
{
    Ok(books(stage)?
        .into_iter()
        .map(|(id, _, balance)| (id, balance))
        .collect())
}

/// The statements since the last look that read or wrote rows.
fn statements<C: Dialect>(stage: &Stage<C>) -> Vec<String> {
    let words = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    let verb = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
    let sent = stage.sent.take().into_iter().map(verb);
    sent.filter(|verb| words.contains(&verb.as_str())).collect()
}

// ---- SessionTransactionTest -----------------------------------------------------------------------------------------

pub fn no_close_transaction_on_flush<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    for owner in ["Ann", "Bob", "Carol"] {
        session.add(Account::new(owner, 1));
        session.flush()?;
        assert!(session.in_transaction());
    }
    assert_eq!(stage.rows(), []);
    session.commit()?;
    assert_eq!(stage.rows(), [1, 2, 3]);
    stage.log.expect(&["begin", "commit"]);
    Ok(())
}

/// What a released savepoint has added, deleted and changed goes to the transaction around it, and is undone with that.
pub fn nested_accounting_deleted_items_restored<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    let carol = session.begin_nested(|nested| {
        nested[ann].balance = 1;
        nested.delete(bob)?;
        Ok(nested.add(Account::new("Carol", 7)))
    })?;
    assert_eq!(session[carol].id, 3);
    assert!(session.read(bob).expect_err("it is deleted").is_stale_entity());
    session.rollback()?;
    assert_eq!(session.read(ann)?.balance, 500);
    assert_eq!(session.read(bob)?.owner, "Bob");
    assert!(session.read(carol).expect_err("it was never there").is_stale_entity());
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 500), (2, 0)]);
    Ok(())
}

pub fn transactions_isolated<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut one, mut two) = (stage.engine.session(), stage.engine.session());
    let carol = one.add(Account::new("Carol", 7));
    one.flush()?;
    assert_eq!(two.get::<Account>(1)?, None);
    two.rollback()?;
    one.commit()?;
    let seen = two.get_one::<Account>(1)?;
    assert_eq!(two[seen].owner, one[carol].owner);
    assert_eq!(
        two.read(carol).expect_err("it is the other's").kind(),
        ErrorKind::StaleEntity
    );
    Ok(())
}

pub fn nested_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session[ann].balance = 1;
    session.begin_nested(|nested| {
        nested.add(Account::new("Carol", 7));
        nested.begin_nested(|inner| {
            inner[ann].balance = 2;
            Ok(())
        })
    })?;
    session.rollback()?;
    stage
        .log
        .expect(&["savepoint 1", "savepoint 2", "release 2", "release 1", "rollback"]);
    assert_eq!(balances(stage)?, [(1, 500), (2, 0)]);
    session.edit(ann)?.balance = 3;
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 3), (2, 0)]);
    Ok(())
}

/// A savepoint on a session that has no connection yet takes one, and begins.
pub fn nested_transaction_connection_add<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    assert_eq!(stage.engine.pool().checkedout(), 0);
    session.begin_nested(|nested| {
        nested.add(Account::new("Ann", 1));
        Ok(())
    })?;
    assert!(session.in_transaction());
    assert_eq!(stage.rows(), []);
    session.commit()?;
    stage.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
    assert_eq!(stage.rows(), [1]);
    stage.assert_whole();
    Ok(())
}

/// A close in the midst of it all: everything is undone, forgotten and given back, and the session can be used.
pub fn mixed_transaction_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session[ann].balance = 1;
    session.begin_nested(|nested| {
        nested.add(Account::new("Carol", 7));
        let refused = nested.close().expect_err("the scope ends it");
        assert_eq!(refused.kind(), ErrorKind::Misuse);
        Ok(())
    })?;
    session.close()?;
    assert_eq!(stage.rollbacks(), (1, 0));
    stage.assert_whole();
    assert!(session.read(ann).expect_err("it is forgotten").is_stale_entity());
    let ann = session.get_one::<Account>(1)?;
    assert_eq!(session[ann].balance, 500);
    Ok(())
}

/// What goes wrong after the COMMIT takes nothing back.
pub fn no_rollback_in_committed_state<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.add(Account::new("Ann", 1));
    session.on_commit(|| panic!("the letter could not be sent"));
    session.commit()?;
    stage.log.expect(&["begin", "commit"]);
    assert_eq!(stage.rollbacks(), (0, 0));
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// Options hold from the first use of the connection on; later ones are refused, where SQLAlchemy warns and ignores them.
pub fn execution_options_begin_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    session.execution_options(ExecutionOptions::new().read_only())?;
    look(&mut session)?;
    assert_eq!(session.access_mode()?, AccessMode::ReadOnly);
    let late = session
        .execution_options(ExecutionOptions::new().read_write())
        .map(|_| ());
    assert_eq!(late.expect_err("a transaction is open").kind(), ErrorKind::Misuse);
    session.commit()?;
    session.execution_options(ExecutionOptions::new().read_write())?;
    look(&mut session)?;
    assert_eq!(session.access_mode()?, AccessMode::ReadWrite);
    Ok(())
}

/// A session whose flush has failed: Ann's name is taken.
fn inactive<C: Dialect>(stage: &Stage<C>) -> aludel::Result<(Session<C>, Entity<Account>)>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session.add(Account::new("Ann", 1));
    let error = session
        .flush()
        .expect_err("the name is taken")
        .to_string()
        .to_lowercase();
    assert!(error.contains("unique") || error.contains("duplicate"), "{error}");
    assert!(session.is_doomed());
    Ok((session, ann))
}

/// What is added to a session that must be rolled back goes with the rollback.
pub fn warning_on_using_inactive_session_new<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, _) = inactive(stage)?;
    let carol = session.add(Account::new("Carol", 7));
    assert!(session.flush().expect_err("it must be rolled back").is_doomed());
    session.rollback()?;
    assert!(session.read(carol).expect_err("it was never there").is_stale_entity());
    session.commit()?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

pub fn warning_on_using_inactive_session_dirty<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann) = inactive(stage)?;
    session[ann].balance = 1;
    assert!(session.flush().expect_err("it must be rolled back").is_doomed());
    session.rollback()?;
    assert_eq!(session.read(ann)?.balance, 500);
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 500), (2, 0)]);
    Ok(())
}

pub fn no_autobegin_after_explicit_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    session.begin(look)?;
    assert!(!session.in_transaction());
    session.commit()?;
    stage.log.expect(&["begin", "commit"]);
    look(&mut session)?;
    assert!(session.in_transaction());
    stage.log.expect(&["begin"]);
    Ok(())
}

// ---- SubtransactionRecipeTest: join where there is one, or else begin ----------------------------------------------

pub fn recipe_commit_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.begin(|session| {
        session.begin(|session| {
            session.add(Account::new("Ann", 1));
            Ok(())
        })?;
        assert!(session.in_transaction());
        assert_eq!(stage.rows(), [], "the inner one commits nothing");
        Ok(())
    })?;
    stage.log.expect(&["begin", "commit"]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A transaction that began by itself is nobody's: one that has only read makes room.
pub fn recipe_subtransaction_on_noautocommit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    look(&mut session)?;
    session.begin(|session| {
        session.begin(|session| {
            session.add(Account::new("Ann", 1));
            Ok(())
        })
    })?;
    assert!(!session.in_transaction());
    stage.log.expect(&["begin", "commit", "begin", "commit"]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// Who joined and failed has ended it for all: whatever comes next is refused.
pub fn recipe_error_on_using_inactive_session_commands<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let error = session
        .begin(|session| {
            let inner = session.begin(|session| {
                session.add(Account::new("Ann", 1));
                Err::<(), _>(no())
            });
            assert!(inner.is_err());
            let refused = [
                session.begin(|_| Ok(())),
                session.begin_nested(|_| Ok(())),
                session.get::<Account>(1).map(drop),
                look(session),
            ];
            for refused in refused {
                let refused = refused.expect_err("a part of it has failed");
                assert!(
                    refused.is_doomed() && refused.to_string().contains("a function that had joined"),
                    "{refused}"
                );
            }
            Ok(())
        })
        .expect_err("nobody commits over it");
    assert!(error.is_doomed(), "{error}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn recipe_deactive_status_check<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    let ended = session.begin(|session| {
        assert!(!session.is_doomed());
        assert!(session.begin(|_| Err::<(), _>(no())).is_err());
        assert!(session.in_transaction() && session.is_doomed());
        Ok(())
    });
    assert!(ended.is_err());
    assert!(!session.in_transaction() && !session.is_doomed());
    look(&mut session)
}

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

// ---- ContextManagerPlusFutureTest, TransactionFlagsTest -------------------------------------------------------------

pub fn contextmanager_nested_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    stage.engine.begin(|session| {
        let failed = session.begin_nested(|nested| {
            nested.add(Account::new("Ann", 1));
            nested.flush()?;
            Err::<(), _>(no())
        });
        let error = failed.expect_err("it says no");
        assert_eq!(error.outcome(), Some(Outcome::RolledBackToSavepoint), "{error}");
        assert!(session.in_transaction() && !session.in_nested_transaction());
        session.add(Account::new("Bob", 1));
        Ok(())
    })?;
    assert_eq!(books(stage)?.len(), 1);
    stage.log.expect(&["begin", "savepoint 1", "rollback to 1", "commit"]);
    Ok(())
}

pub fn contextmanager_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.begin(|session| {
        session.add(Account::new("Ann", 1));
        Ok(())
    })?;
    assert!(!session.in_transaction());
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn contextmanager_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    let error = session
        .begin(|session| {
            session.add(Account::new("Ann", 1));
            session.flush()?;
            session.add(Account::new("Ann", 2));
            Ok(())
        })
        .expect_err("the flush at its end fails");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{error}");
    assert!(!session.in_transaction());
    assert_eq!(stage.rows(), []);
    session.add(Account::new("Ann", 2));
    session.commit()?;
    assert_eq!(books(stage)?.len(), 1);
    Ok(())
}

pub fn explicit_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.begin(|session| {
        assert!(session.in_transaction());
        session.add(Account::new("Ann", 1));
        session.flush()?;
        assert_eq!(stage.rows(), []);
        Ok(())
    })?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// Work of the caller's own that is unfinished, be it written or only pending, is not ended by somebody's scope.
pub fn no_double_begin_explicit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.add(Account::new("Ann", 1));
    for _ in 0..2 {
        let refused = session
            .begin(|_| Ok(()))
            .expect_err("Ann would be committed with it, or lost");
        assert!(refused.is_transaction_already_open(), "{refused}");
        session.flush()?;
    }
    session.commit()?;
    session.begin(|_| Ok(()))?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A session that goes out of scope keeps what was committed.
pub fn session_as_ctx_manager_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    {
        let mut session = stage.engine.session();
        session.add(Account::new("Ann", 1));
        session.commit()?;
    }
    assert_eq!(stage.rows(), [1]);
    stage.log.expect(&["begin", "commit"]);
    stage.assert_whole();
    Ok(())
}

/// And nothing of what was not.
pub fn session_as_ctx_manager_two<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    {
        let mut session = stage.engine.session();
        session.add(Account::new("Ann", 1));
        session.flush()?;
    }
    assert_eq!(stage.rows(), []);
    stage.log.expect(&["begin", "dropped uncommitted", "rollback"]);
    stage.assert_whole();
    Ok(())
}

pub fn begin_context_manager<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let ann = stage.engine.begin(|session| {
        let ann = session.add(Account::new("Ann", 1));
        session.flush()?;
        Ok(session[ann].id)
    })?;
    assert_eq!((ann, stage.rows()), (1, vec![1]));
    stage.assert_whole();
    Ok(())
}

/// A rollback inside a scope is refused and changes nothing; an error is what undoes it.
pub fn begin_context_manager_rollback_trans<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    stage.engine.begin(|session| {
        session.add(Account::new("Ann", 1));
        let refused = session.rollback().expect_err("the scope ends it");
        assert!(refused.to_string().contains("Err to roll back"), "{refused}");
        Ok(())
    })?;
    assert_eq!(stage.rows(), [1]);
    stage.log.expect(&["begin", "commit"]);
    Ok(())
}

/// A commit inside a scope is refused as well, so nothing stays of a scope that fails.
pub fn begin_context_manager_rollback_outer<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let failed = stage.engine.begin(|session| {
        session.add(Account::new("Ann", 1));
        session.commit()?;
        Ok(())
    });
    assert_eq!(failed.expect_err("the scope ends it").kind(), ErrorKind::Misuse);
    assert_eq!(stage.rows(), []);
    stage.log.expect(&["begin", "rollback"]);
    Ok(())
}

pub fn in_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    let flags = |session: &Session<C>| (session.in_transaction(), session.in_nested_transaction());
    assert_eq!(flags(&session), (false, false));
    look(&mut session)?;
    assert_eq!(flags(&session), (true, false));
    session.begin_nested(|nested| {
        assert_eq!(flags(nested), (true, true));
        nested.begin_nested(|inner| {
            assert_eq!(flags(inner), (true, true));
            Ok(())
        })?;
        assert_eq!(flags(nested), (true, true));
        Ok(())
    })?;
    assert_eq!(flags(&session), (true, false));
    session.rollback()?;
    assert_eq!(flags(&session), (false, false));
    Ok(())
}

/// Who joins is in the transaction of the one that began, and no deeper; a savepoint shows through.
pub fn in_transaction_subtransactions<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let flags = |session: &Session<C>| (session.in_transaction(), session.in_nested_transaction());
    let mut session = stage.engine.session();
    session.begin(|session| {
        session.begin(|joined| {
            assert_eq!(flags(joined), (true, false));
            joined.begin_nested(|nested| {
                nested.begin(|joined| {
                    assert_eq!(flags(joined), (true, true));
                    Ok(())
                })
            })?;
            assert_eq!(flags(joined), (true, false));
            Ok(())
        })?;
        assert_eq!(flags(session), (true, false));
        Ok(())
    })?;
    assert_eq!(flags(&session), (false, false));
    stage.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
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

/// Keys do not change: one that was edited is refused by the flush, and a rollback puts it back.
pub fn multiple_key_replaced_by_update<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    session.delete(bob)?;
    session.flush()?;
    session[ann].id = 2;
    let refused = session.flush().expect_err("keys do not change").to_string();
    assert!(refused.contains("key of Account was changed"), "{refused}");
    session.rollback()?;
    assert_eq!((session.read(ann)?.id, session.read(bob)?.id), (1, 2));
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}
