//! Sessions of one kind, and what they are told: `sessionmaker` in `ContextManagerPlusFutureTest`, `AccountingFlagsTest`,
//! `TransScopingTest`, `SessionStateTest`.

use aludel::prelude::*;
use aludel::{ErrorKind, Outcome, RetryPolicy, SessionFactory};
use diesel::connection::SimpleConnection as _;

use super::session::{balances, fixture, no, statements};
use super::{Stage, insert, look};
use crate::account::Account;

pub fn sessionmaker_begin_context_manager<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let factory = SessionFactory::new(&stage.engine);
    factory.begin(|session| {
        assert!(session.in_transaction());
        insert(session, 1)
    })?;
    stage.log.expect(&["begin", "commit"]);
    assert_eq!(stage.rows(), [1]);
    stage.assert_whole();
    Ok(())
}

pub fn sessionmaker_begin_context_manager_rollback_trans<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    SessionFactory::new(&stage.engine).begin(|session| {
        insert(session, 1)?;
        let refused = session.rollback().expect_err("the scope ends it");
        assert_eq!(refused.kind(), ErrorKind::Misuse);
        Ok(())
    })?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn sessionmaker_begin_context_manager_rollback_outer<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let failed = SessionFactory::new(&stage.engine).begin(|session| {
        insert(session, 1)?;
        Err::<(), _>(no())
    });
    assert_eq!(failed.expect_err("it said no").outcome(), Some(Outcome::RolledBack));
    stage.log.expect(&["begin", "rollback"]);
    assert_eq!(stage.rows(), []);
    stage.assert_whole();
    Ok(())
}

// ---- autobegin ------------------------------------------------------------------------------------------------------

pub fn autobegin_execute<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    assert!(!session.in_transaction());
    look(&mut session)?;
    assert!(session.in_transaction());
    session.rollback()?;
    assert!(!session.in_transaction());
    stage.log.expect(&["begin", "rollback"]);
    Ok(())
}

/// Only a flush with something to write begins.
pub fn autobegin_flush<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.flush()?;
    assert!(!session.in_transaction());
    session.add(Account::new("Ann", 1));
    session.flush()?;
    assert!(session.in_transaction());
    session.commit()?;
    assert!(!session.in_transaction());
    stage.log.expect(&["begin", "commit"]);
    Ok(())
}

/// A session that begins nothing by itself takes a scope, or a BEGIN, around whatever it is to do.
pub fn autobegin_begin_method<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = SessionFactory::new(&stage.engine).autobegin(false).session();
    let refused = |error: aludel::Error| {
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(
            error.to_string().starts_with("Autobegin is disabled on this Session"),
            "{error}"
        );
    };
    refused(look(&mut session).expect_err("nothing has begun"));
    refused(insert(&mut session, 1).expect_err("nothing has begun"));
    refused(session.get::<Account>(1).expect_err("nothing has begun"));
    refused(session.with_raw(|_| Ok(())).expect_err("nothing has begun"));
    session.add(Account::new("Ann", 1));
    refused(session.flush().expect_err("nothing has begun"));
    refused(session.commit().expect_err("nothing has begun"));
    stage.log.expect(&[]);
    assert_eq!(stage.engine.pool().checkedout(), 0);
    session.begin(|session| insert(session, 1))?;
    session.retry(&RetryPolicy::new(), |session| insert(session, 2))?;
    session.batch_execute("BEGIN")?;
    insert(&mut session, 3)?;
    session.commit()?;
    // A savepoint was asked for, and so was what it is in.
    session.begin_nested(|nested| insert(nested, 4))?;
    insert(&mut session, 5)?;
    session.commit()?;
    refused(look(&mut session).expect_err("that is over"));
    assert_eq!(stage.rows(), [1, 2, 3, 4, 5]);
    session.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    look(&mut session) // which is in no transaction, and begins none
}

// ---- expire_on_commit -----------------------------------------------------------------------------------------------

/// Values stay until `expire_all`, and a stale one finds its way into the database in no way that nobody would notice.
pub fn no_expire_on_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    drop(fixture(stage)?);
    let mut session = SessionFactory::new(&stage.engine).expire_on_commit(false).session();
    let ann = session.get_one::<Account>(1)?;
    session.commit()?;
    stage
        .engine
        .begin(|other| Ok(other.batch_execute("UPDATE accounts SET balance = 7, version = 2")?))?;
    statements(stage);
    for _ in 0..2 {
        assert_eq!(session.read(ann)?.balance, 500);
        assert_eq!(session.get::<Account>(1)?, Some(ann));
        session.begin(look)?;
        assert_eq!(session[ann].balance, 500, "also once another transaction has begun");
    }
    assert_eq!(statements(stage), ["SELECT", "SELECT"], "those of look()");
    // What was read long ago is compared with what is there.
    session[ann].balance -= 1;
    let conflict = session.commit().expect_err("somebody has changed it");
    assert!(conflict.is_version_conflict() && conflict.is_retryable(), "{conflict}");
    assert_eq!(session.read(ann)?.balance, 7, "a rollback has it read again");
    session.edit(ann)?.balance = 8;
    session.commit()?;
    stage
        .engine
        .begin(|other| Ok(other.batch_execute("UPDATE accounts SET balance = 9, version = 4")?))?;
    assert_eq!(session.read(ann)?.balance, 8);
    session.expire_all();
    assert_eq!(session.read(ann)?.balance, 9);
    session.rollback()?;
    // A rerun starts with what is there.
    session.commit()?;
    let mut runs = 0;
    session.read(ann)?;
    session.commit()?;
    stage
        .engine
        .begin(|other| Ok(other.batch_execute("UPDATE accounts SET balance = 10, version = 5")?))?;
    session.retry(&RetryPolicy::new(), |session| {
        runs += 1;
        session.edit(ann)?.balance += 1;
        Ok(())
    })?;
    assert_eq!((runs, balances(stage)?[0]), (2, (1, 11)));
    Ok(())
}

/// Changes that were not written yet are not forgotten.
pub fn expire_all_keeps_what_is_pending<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, bob) = fixture(stage)?;
    session[ann].balance = 1;
    let carol = session.add(Account::new("Carol", 3));
    session.expire_all();
    assert_eq!((session[ann].balance, session[carol].balance), (1, 3));
    assert_eq!(session.read(bob)?.balance, 0);
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 1), (2, 0), (3, 3)]);
    Ok(())
}

// ---- options --------------------------------------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenant(String);

pub fn info<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let factory = SessionFactory::new(&stage.engine)
        .info(Tenant("Ann".to_owned()))
        .info(7_u8);
    let mut session = factory.session();
    assert_eq!(session.info().get(), Some(&Tenant("Ann".to_owned())));
    session.info_mut().insert(Tenant("Bob".to_owned()));
    session.info_mut().insert("a word");
    session.begin(|session| {
        assert_eq!(session.info().get(), Some(&Tenant("Bob".to_owned())));
        look(session)
    })?;
    session.close()?;
    assert_eq!(session.info().get(), Some(&"a word"), "it is the session's");
    let other = factory.session();
    assert_eq!(other.info().get(), Some(&Tenant("Ann".to_owned())));
    assert_eq!((other.info().get::<u8>(), other.info().get::<&str>()), (Some(&7), None));
    assert!(stage.engine.session().info().is_empty());
    Ok(())
}

/// What a factory says holds for each transaction of its sessions; what a database does not have is told by the first.
pub fn factory_execution_options<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let reader = SessionFactory::new(&stage.engine).read_only();
    let refused = reader.begin(|session| insert(session, 1)).expect_err("it only reads");
    assert!(!refused.is_retryable(), "{refused}");
    let mut session = reader.session();
    assert_eq!(session.access_mode()?, AccessMode::ReadOnly);
    session.execution_options(ExecutionOptions::new().read_write())?;
    session.begin(|session| insert(session, 1))?;
    let serializable = SessionFactory::new(&stage.engine).isolation_level(IsolationLevel::Serializable);
    let level = serializable.begin(Session::isolation_level)?;
    assert_eq!(level, IsolationLevel::Serializable);
    let deferrable = SessionFactory::new(&stage.engine)
        .isolation_level(IsolationLevel::Serializable)
        .read_only()
        .deferrable();
    let answer = deferrable.begin(look);
    if C::FLAVOUR == aludel::Flavour::PostgreSql {
        answer?;
    } else {
        let refused = answer.expect_err("only PostgreSQL has it");
        assert_eq!(
            (refused.kind(), refused.outcome()),
            (ErrorKind::Configuration, Some(Outcome::NotBegun))
        );
    }
    let stopped = CancelToken::new();
    stopped.cancel("for the test");
    let refused = SessionFactory::new(&stage.engine).cancel_token(stopped).begin(look);
    assert!(refused.expect_err("it was told to stop").is_exit());
    assert_eq!(stage.rows(), [1]);
    stage.assert_whole();
    Ok(())
}

/// `close()`, `reset()` and `invalidate()` forget everything and leave a session that can be used, unless its factory has
/// another word for `close()`.
pub fn close_resets_only<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (mut session, ann, _) = fixture(stage)?;
    session[ann].balance = 1;
    session.reset()?;
    assert!(session.read(ann).expect_err("it is forgotten").is_stale_entity());
    let ann = session.get_one::<Account>(1)?;
    session[ann].balance = 2;
    session.flush()?;
    session.invalidate("for the test");
    assert!(!session.in_transaction() && !session.is_doomed());
    assert!(session.read(ann).expect_err("it is forgotten").is_stale_entity());
    session.commit()?;
    assert_eq!(balances(stage)?, [(1, 500), (2, 0)]);
    assert!(stage.log.take().contains(&"invalidate".to_owned()));

    let mut session = SessionFactory::new(&stage.engine).close_resets_only(false).session();
    look(&mut session)?;
    session.reset()?;
    look(&mut session)?;
    session.close()?;
    let refusals = [
        look(&mut session),
        session.begin(look),
        session.begin_nested(look),
        session.retry(&RetryPolicy::new(), look),
        session.get::<Account>(1).map(drop),
        session.batch_execute("BEGIN").map_err(aludel::Error::from),
    ];
    for refused in refusals {
        let refused = refused.expect_err("it was closed for good");
        assert!(
            refused
                .to_string()
                .starts_with("This Session has been permanently closed"),
            "{refused}"
        );
    }
    stage.assert_whole();
    Ok(())
}
