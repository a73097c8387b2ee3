//! Transactions of a session: `SessionTransactionTest`, `SubtransactionRecipeTest`, `ContextManagerPlusFutureTest`,
//! `TransactionFlagsTest`.

use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome};

use super::{Stage, look};
use crate::account::Account;

/// An error of the caller's own.
pub(super) fn no() -> Error {
    Error::other("not enough tea")
}

/// A session that has read Ann (1, balance 500) and Bob (2, balance 0).
pub(super) fn fixture<C: Dialect>(stage: &Stage<C>) -> aludel::Result<(Session<C>, Entity<Account>, Entity<Account>)>
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
pub(super) fn books<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Vec<(i32, String, i64)>>
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
pub(super) fn balances<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Vec<(i32, i64)>>
where
    Account: Persist<C::Backend>,
{
    Ok(books(stage)?
        .into_iter()
        .map(|(id, _, balance)| (id, balance))
        .collect())
}

/// The statements since the last look that read or wrote rows.
pub(super) fn statements<C: Dialect>(stage: &Stage<C>) -> Vec<String> {
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
