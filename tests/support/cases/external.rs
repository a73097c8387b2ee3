//! Sessions inside of somebody else's transaction: `SessionTransactionTest` and `TransScopingTest` as far as they are about
//! connections that are given to a session, and `CtxManagerJoinIntoAnExternalTransactionFixture`.

use aludel::JoinTransactionMode::{ConditionalSavepoint, ControlFully, CreateSavepoint, RollbackOnly};
use aludel::prelude::*;
use aludel::{Connection, ErrorKind, JoinTransactionMode, Outcome, RetryPolicy, SessionFactory};
use diesel::connection::SimpleConnection as _;

use super::session::{balances, no};
use super::{Stage, insert, look};
use crate::EventLog;
use crate::account::Account;

/// A factory whose sessions join in this way.
pub(super) fn joining<C: Dialect>(stage: &Stage<C>, mode: JoinTransactionMode) -> SessionFactory<C> {
    SessionFactory::new(&stage.engine).join_transaction_mode(mode)
}

/// A connection in a transaction that is nobody's but its user's, with Carol (9) in it.
pub(super) fn outside<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Connection<C>> {
    let mut connection = stage.engine.connect();
    connection.batch_execute("BEGIN")?;
    insert(&mut connection, 9)?;
    stage.log.clear();
    Ok(connection)
}

/// The keys that this connection sees.
fn sees<C: Dialect>(connection: Connection<C>) -> aludel::Result<(Connection<C>, usize)>
where
    Account: Persist<C::Backend>,
{
    let mut session = SessionFactory::new(connection.engine()).session_on(connection);
    let mut found = 0;
    for id in 1..=9 {
        found += usize::from(session.get::<Account>(id)?.is_some());
    }
    Ok((session.into_connection(), found))
}

// ---- SessionTransactionTest -----------------------------------------------------------------------------------------

pub fn subtransaction_on_external_no_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut connection = outside(stage)?;
    let mut session = SessionFactory::new(&stage.engine).session_on(connection);
    session.add(Account::new("Ann", 1));
    session.flush()?;
    assert!(session.in_transaction());
    session.commit()?;
    assert!(!session.in_transaction());
    connection = session.into_connection();
    assert!(connection.in_transaction());
    connection.rollback()?;
    stage.log.expect(&["rollback"]);
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn subtransaction_on_external_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = SessionFactory::new(&stage.engine).session_on(outside(stage)?);
    session.begin(|session| {
        session.add(Account::new("Ann", 1));
        Ok(())
    })?;
    assert_eq!(stage.rows(), []);
    let mut connection = session.into_connection();
    connection.commit()?;
    stage.log.expect(&["commit"]);
    assert_eq!(stage.rows().len(), 2);
    Ok(())
}

/// What the session rolls back is rolled back for its owner as well, and at once.
pub fn subtransaction_on_external_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = SessionFactory::new(&stage.engine).session_on(outside(stage)?);
    session.add(Account::new("Ann", 1));
    session.flush()?;
    session.rollback()?;
    stage.log.expect(&["rollback"]);
    let mut connection = session.into_connection();
    assert!(!connection.in_transaction());
    connection.commit()?;
    assert_eq!(stage.rows(), []);
    Ok(())
}

/// A savepoint of the session's own is a savepoint, whatever its transaction is.
pub fn external_nested_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = SessionFactory::new(&stage.engine).session_on(outside(stage)?);
    session.add(Account::new("Ann", 1));
    session.flush()?;
    let undone = session.begin_nested(|nested| {
        assert!(nested.in_nested_transaction());
        nested.add(Account::new("Bob", 1));
        nested.flush()?;
        Err::<(), _>(no())
    });
    assert!(undone.is_err());
    session.commit()?;
    session.into_connection().commit()?;
    stage.log.expect(&["savepoint 1", "rollback to 1", "commit"]);
    assert_eq!(stage.rows().len(), 2);
    Ok(())
}

/// What listeners of the engine do when a transaction begins makes it nobody else's.
pub fn join_transaction_mode_with_event<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let begun = EventLog::new();
    let heard = begun.clone();
    let engine = stage.engine_with(|builder| {
        builder.listen(move |event| {
            if let Event::Begin { .. } = event {
                heard.push("begin");
            }
        })
    });
    for (number, mode) in (1..).zip([ConditionalSavepoint, RollbackOnly, ControlFully, CreateSavepoint]) {
        let factory = SessionFactory::new(&engine).join_transaction_mode(mode);
        let mut session = factory.session();
        session.add(Account::new(&format!("Nr {number}"), 1));
        session.commit()?;
        assert_eq!((stage.rows().len(), engine.pool().checkedout()), (number, 0));
        insert(&mut session, 9)?;
        session.rollback()?;
        assert_eq!((stage.rows().len(), engine.pool().checkedout()), (number, 0));
        begun.expect(&["begin", "begin"]);
    }
    Ok(())
}

/// What is done with a session at its end.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Commit,
    Rollback,
    Close,
    Nothing,
}

/// SQLAlchemy's table: each mode, on a connection with nothing, a transaction or a savepoint open, and each way to end. What
/// was said on the wire, and what is there afterwards when the owner commits what is his: Carol (9), and the session's Ann (1).
pub fn join_transaction_modes<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    use Operation::{Close, Commit, Nothing, Rollback};
    #[rustfmt::skip]
    let table: [(JoinTransactionMode, Operation, &[&str], &[i32]); 12] = [
        (RollbackOnly,    Commit,   &["commit"], &[1, 9]),
        (RollbackOnly,    Rollback, &["rollback"], &[]),
        (RollbackOnly,    Close,    &["commit"], &[1, 9]),
        (RollbackOnly,    Nothing,  &["commit"], &[9]),
        (ControlFully,    Commit,   &["commit"], &[1, 9]),
        (ControlFully,    Rollback, &["rollback"], &[]),
        (ControlFully,    Close,    &["rollback"], &[]),
        (ControlFully,    Nothing,  &["commit"], &[9]),
        (CreateSavepoint, Commit,   &["savepoint 1", "release 1", "commit"], &[1, 9]),
        (CreateSavepoint, Rollback, &["savepoint 1", "rollback to 1", "commit"], &[9]),
        (CreateSavepoint, Close,    &["savepoint 1", "rollback to 1", "commit"], &[9]),
        (CreateSavepoint, Nothing,  &["commit"], &[9]),
    ];
    let again = table.iter().filter(|line| line.0 == RollbackOnly);
    let conditional = again.map(|line| (ConditionalSavepoint, line.1, line.2, line.3));
    for (mode, operation, said, rows) in table.into_iter().chain(conditional.collect::<Vec<_>>()) {
        let mut session = joining(stage, mode).session_on(outside(stage)?);
        operate(&mut session, operation)?;
        session.into_connection().commit()?;
        assert_eq!(stage.log.take(), said, "{mode:?}, {operation:?}");
        assert_eq!(stage.rows(), rows, "{mode:?}, {operation:?}");
        stage
            .engine
            .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
    }
    // With nothing open the session's transactions are its own, in each mode.
    for mode in [ConditionalSavepoint, RollbackOnly, ControlFully, CreateSavepoint] {
        for (operation, said) in [(Commit, "commit"), (Rollback, "rollback"), (Close, "rollback")] {
            let connection = stage.engine.connect();
            stage.log.clear();
            let mut session = joining(stage, mode).session_on(connection);
            operate(&mut session, operation)?;
            assert_eq!(stage.log.take(), ["begin", said], "{mode:?}, {operation:?}");
            drop(session);
            stage
                .engine
                .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
        }
    }
    stage.assert_whole();
    Ok(())
}

fn operate<C: Dialect>(session: &mut Session<C>, operation: Operation) -> aludel::Result<()> {
    if !matches!(operation, Operation::Nothing) {
        insert(session, 1)?;
    }
    match operation {
        Operation::Commit => session.commit(),
        Operation::Rollback => session.rollback(),
        Operation::Close => session.close(),
        Operation::Nothing => Ok(()),
    }
}

/// The same where a savepoint is open, which its scope will end: a session that rolls it back dooms it for its owner, and one
/// that would take it over is refused.
pub fn join_transaction_modes_in_a_savepoint<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    use Operation::{Close, Commit, Rollback};
    #[rustfmt::skip]
    let table: [(JoinTransactionMode, Operation, &[&str], &[i32]); 6] = [
        (RollbackOnly,    Commit,   &["release 1"], &[1, 5, 9]),
        (RollbackOnly,    Rollback, &["rollback to 1", "rollback to 1"], &[9]),
        (RollbackOnly,    Close,    &["release 1"], &[1, 5, 9]),
        (CreateSavepoint, Commit,   &["savepoint 2", "release 2", "release 1"], &[1, 5, 9]),
        (CreateSavepoint, Rollback, &["savepoint 2", "rollback to 2", "release 1"], &[5, 9]),
        (CreateSavepoint, Close,    &["savepoint 2", "rollback to 2", "release 1"], &[5, 9]),
    ];
    let again = table.iter().filter(|line| line.0 == CreateSavepoint);
    let conditional = again.map(|line| (ConditionalSavepoint, line.1, line.2, line.3));
    for (mode, operation, said, rows) in table.into_iter().chain(conditional.collect::<Vec<_>>()) {
        let mut connection = outside(stage)?;
        let factory = joining(stage, mode);
        let ended = connection.begin_nested(|nested| {
            stage.log.clear();
            insert(nested, 5)?;
            factory.on(nested, |session| operate(session, operation))
        });
        assert_eq!(stage.log.take(), said, "{mode:?}, {operation:?}");
        if let Err(error) = ended {
            let text = error.to_string();
            assert!(text.contains("has rolled it back"), "{text}");
            assert_eq!(error.outcome(), Some(Outcome::RolledBackToSavepoint), "{text}");
        }
        connection.commit()?;
        assert_eq!(stage.rows(), rows, "{mode:?}, {operation:?}");
        stage
            .engine
            .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
    }
    let mut connection = outside(stage)?;
    let refused =
        connection.begin_nested(|nested| joining(stage, ControlFully).on(nested, |session| insert(session, 1)));
    let refused = refused.expect_err("the scope will end it");
    assert!(
        refused.kind() == ErrorKind::Misuse && refused.to_string().contains("ControlFully"),
        "{refused}"
    );
    connection.commit()?;
    assert_eq!(stage.rows(), [9]);
    Ok(())
}

/// A scope around a session that rolls its transaction back learns of it, and cannot commit.
pub fn a_scope_is_told_that_a_session_has_rolled_it_back<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let factory = joining(stage, RollbackOnly);
    let error = stage
        .engine
        .connect()
        .begin(|connection| {
            insert(connection, 1)?;
            factory.on(connection, |session| {
                insert(session, 2)?;
                session.rollback()?;
                assert!(session.is_doomed() && !session.in_transaction());
                let refused = look(session).expect_err("there is nothing to join any more");
                assert!(refused.is_doomed(), "{refused}");
                Ok(())
            })?;
            let refused = look(connection).expect_err("it was rolled back");
            assert!(refused.is_doomed(), "{refused}");
            Ok(())
        })
        .expect_err("there is nothing left to commit");
    assert!(
        error.is_doomed() && error.to_string().contains("has rolled it back"),
        "{error}"
    );
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    stage.log.expect(&["begin", "rollback", "rollback"]);
    assert_eq!(stage.rows(), []);
    stage.assert_whole();
    Ok(())
}

// ---- SubtransactionRecipeTest ---------------------------------------------------------------------------------------

pub fn recipe_subtransaction_on_external_subtrans<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = joining(stage, RollbackOnly).session_on(outside(stage)?);
    session.begin(|session| {
        session.begin(|session| insert(session, 1))?;
        insert(session, 2)
    })?;
    let mut connection = session.into_connection();
    connection.rollback()?;
    stage.log.expect(&["rollback"]);
    assert_eq!(stage.rows(), []);
    Ok(())
}

// ---- TransScopingTest, BindIntegrationTest --------------------------------------------------------------------------

/// Neither a flush nor `close()` closes, commits or rolls back what the session was given.
pub fn no_close_on_flush<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut connection = outside(stage)?;
    let number = connection.backend_id()?;
    let mut session = SessionFactory::new(&stage.engine).session_on(connection);
    let ann = session.add(Account::new("Ann", 1));
    session.flush()?;
    session.close()?;
    assert!(session.read(ann).expect_err("it is forgotten").is_stale_entity());
    assert_eq!(session.backend_id()?, number);
    session.reset()?;
    connection = session.into_connection();
    assert_eq!((connection.in_transaction(), connection.backend_id()?), (true, number));
    connection.commit()?;
    assert_eq!(stage.rows().len(), 2);
    stage.log.expect(&["commit"]);
    Ok(())
}

/// A session on a connection with nothing open commits for good, and leaves the connection to its owner.
pub fn bound_connection<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let factory = SessionFactory::new(&stage.engine);
    let mut connection = stage.engine.connect();
    let number = connection.backend_id()?;
    connection.rollback()?;
    stage.log.clear();
    factory.on(&mut connection, |session| {
        insert(session, 1)?;
        session.commit()?;
        insert(session, 2)?;
        session.close()?;
        insert(session, 3) // and nobody commits it
    })?;
    stage.log.expect(&[
        "begin",
        "commit",
        "begin",
        "rollback",
        "begin",
        "dropped uncommitted",
        "rollback",
    ]);
    assert_eq!(connection.backend_id()?, number);
    drop(connection);
    assert_eq!(stage.rows(), [1]);
    stage.assert_whole();
    Ok(())
}

// ---- CtxManagerJoinIntoAnExternalTransactionFixture -----------------------------------------------------------------

/// The pattern of test suites: whatever a session begins, commits and rolls back, nothing outside of it is touched.
pub fn something_with_context_managers<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut connection = stage.engine.connect();
    connection.batch_execute("BEGIN")?;
    let mut session = joining(stage, CreateSavepoint).session_on(connection);
    session.begin(|session| {
        session.add(Account::new("Ann", 1));
        Ok(())
    })?;
    let undone = session.begin(|session| {
        session.add(Account::new("Bob", 2));
        session.flush()?;
        Err::<(), _>(no())
    });
    assert!(undone.is_err());
    session.add(Account::new("Carol", 3));
    session.commit()?;
    session.add(Account::new("Dora", 4));
    session.rollback()?;
    session.retry(&RetryPolicy::new(), |session| {
        session.begin_nested(|nested| {
            nested.add(Account::new("Ed", 5));
            Ok(())
        })
    })?;
    session.batch_execute("BEGIN")?;
    insert(&mut session, 8)?;
    session.batch_execute("ROLLBACK")?;
    session.batch_execute("COMMIT")?; // with nothing of its own open it says nothing
    let read_again = session.commit().map(|()| session.in_transaction())?;
    assert!(!read_again);
    connection = session.into_connection();
    assert!(connection.in_transaction());
    let found;
    (connection, found) = sees(connection)?;
    assert_eq!((found, stage.rows()), (3, vec![]));
    connection.rollback()?;
    assert_eq!(stage.rows(), []);
    assert_eq!(balances(stage)?, []);
    let ends = ["commit", "rollback"];
    let said = stage.log.take();
    assert_eq!(
        said.iter().filter(|line| ends.contains(&line.as_str())).count(),
        1,
        "{said:?}"
    );
    Ok(())
}
