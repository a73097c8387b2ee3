//! Sessions inside of somebody else's transaction: what comes back to its owner, and what it costs him when something goes wrong.

use std::time::Duration;

use aludel::JoinTransactionMode::{ControlFully, CreateSavepoint, RollbackOnly};
use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel::{Error, ErrorKind, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

use super::external::{joining, outside};
use super::session::no;
use super::{Stage, insert, insert_again, look};

/// What a session leaves open on its connection is still open there, save a savepoint of its own.
pub fn into_connection_keeps_what_is_open<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    insert(&mut session, 1)?;
    let mut connection = session.into_connection();
    assert!(connection.in_transaction());
    connection.commit()?;
    insert(&mut connection, 2)?;
    let mut session = joining(stage, CreateSavepoint).session_on(connection);
    insert(&mut session, 3)?;
    connection = session.into_connection();
    assert!(connection.in_transaction() && !connection.in_nested_transaction());
    connection.commit()?;
    drop(connection);
    stage.log.expect(&[
        "begin",
        "commit",
        "begin",
        "savepoint 1",
        "dropped uncommitted",
        "rollback to 1",
        "commit",
    ]);
    assert_eq!(stage.rows(), [1, 2]);
    stage.assert_whole();
    Ok(())
}

/// A session that is dropped takes the connection that it was given along.
pub fn a_dropped_session_rolls_back_what_it_was_given<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for mode in [RollbackOnly, ControlFully, CreateSavepoint] {
        let mut session = joining(stage, mode).session_on(outside(stage)?);
        insert(&mut session, 1)?;
        drop(session);
        assert_eq!(
            stage.log.take().last().map(String::as_str),
            Some("rollback"),
            "{mode:?}"
        );
        assert_eq!(stage.rows(), []);
        stage.assert_whole();
    }
    Ok(())
}

/// Whichever way its closure is left, the connection is where it was.
pub fn a_lent_connection_comes_back<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let factory = joining(stage, CreateSavepoint).read_only();
    let writer = joining(stage, CreateSavepoint);
    let mut connection = outside(stage)?;
    let number = connection.backend_id()?;
    assert!(writer.on(&mut connection, |_| Err::<(), _>(no())).is_err());
    assert!(!writer.on_with(&mut connection, |session| session.in_transaction()));
    // What its factory says of a transaction cannot be had of one that is open.
    let refused = factory
        .on(&mut connection, |session| insert(session, 1))
        .expect_err("it may write");
    assert!(
        refused.kind() == ErrorKind::Misuse && refused.to_string().contains("READ ONLY"),
        "{refused}"
    );
    // A panic between two transactions costs nothing …
    let quiet = || std::panic::resume_unwind(Box::new("a quiet panic"));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.on_with(&mut connection, |_| quiet())
    }));
    assert!(unwound.is_err());
    assert_eq!((connection.in_transaction(), connection.backend_id()?), (true, number));
    // … and in the midst of one the connection with all that was open.
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.on_with(&mut connection, |session| {
            insert(session, 1).expect("it may write");
            quiet()
        })
    }));
    assert!(unwound.is_err());
    let refused = look(&mut connection).expect_err("its transaction is lost");
    assert!(
        refused.is_doomed() && refused.to_string().contains("a panic"),
        "{refused}"
    );
    connection.rollback()?;
    insert(&mut connection, 1)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// Nothing is rerun inside of what somebody else will commit, and what has become of that is told to session and owner.
pub fn a_lost_external_transaction_is_told_and_nothing_runs_again<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for mode in [RollbackOnly, CreateSavepoint] {
        let mut runs = 0;
        let error = stage
            .engine
            .connect()
            .begin(|connection| {
                insert(connection, 1)?;
                let factory = joining(stage, mode);
                let failed = factory.on(connection, |session| {
                    let failed = session.retry(&RetryPolicy::new(), |session| {
                        runs += 1;
                        insert(session, 2)?;
                        stage.fail(Phase::Statement, DatabaseErrorKind::ClosedConnection, "it hung up");
                        insert(session, 3)
                    });
                    let error = failed.expect_err("its connection is gone");
                    assert!(error.is_disconnect(), "{mode:?}: {error}");
                    let refused = session.begin(|_| Ok(())).expect_err("and what it was in");
                    assert!(
                        refused.is_doomed() && refused.to_string().contains("it hung up"),
                        "{refused}"
                    );
                    Err::<(), _>(error)
                });
                assert!(failed.is_err());
                look(connection)
            })
            .expect_err("nothing is left of it");
        assert!(error.to_string().contains("it hung up"), "{mode:?}: {error}");
        assert_eq!(runs, 1, "{mode:?}");
        assert_eq!(stage.rows(), []);
        stage.assert_whole();
    }
    Ok(())
}

/// A statement that fails spoils on PostgreSQL what it is a part of: a savepoint of the session's own, or the owner's
/// transaction.
pub fn a_failed_statement_spoils_its_own_level<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for mode in [CreateSavepoint, RollbackOnly] {
        let mut session = joining(stage, mode).session_on(outside(stage)?);
        insert(&mut session, 1)?;
        insert_again(&mut session, 1);
        let spoilt = session.is_doomed();
        let ended = session.commit();
        assert_eq!(ended.is_err(), spoilt, "{mode:?}");
        let mut connection = session.into_connection();
        match (spoilt, mode) {
            (true, RollbackOnly) => {
                assert!(!connection.in_transaction(), "its commit has become a rollback");
                assert_eq!(stage.rows(), []);
            }
            (true, _) => {
                connection.commit()?;
                assert_eq!(stage.rows(), [9]);
            }
            (false, _) => {
                connection.commit()?;
                assert_eq!(stage.rows(), [1, 9]);
            }
        }
        stage
            .engine
            .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
    }
    Ok(())
}

/// A savepoint of the session's that cannot be ended costs all that it is in, and its owner learns why.
pub fn a_savepoint_that_cannot_be_ended_costs_all<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for phase in [Phase::Savepoint, Phase::Release, Phase::RollbackTo] {
        let mut session = joining(stage, CreateSavepoint).session_on(outside(stage)?);
        stage.fail(phase, DatabaseErrorKind::ClosedConnection, "it hung up");
        let ended = match phase {
            Phase::RollbackTo => insert(&mut session, 1).and_then(|()| session.rollback()),
            _ => insert(&mut session, 1).and_then(|()| session.commit()),
        };
        // Who rolls back has what was asked for.
        assert_eq!(ended.is_ok(), phase == Phase::RollbackTo, "{phase:?}");
        assert!(!session.in_transaction());
        let refused = session.begin(|_| Ok(())).expect_err("there is nothing to be in");
        assert!(refused.is_doomed(), "{phase:?}: {refused}");
        let mut connection = session.into_connection();
        let error = connection.commit().expect_err("nothing is left of it");
        assert!(
            error.is_doomed() && error.to_string().contains("it hung up"),
            "{phase:?}: {error}"
        );
        assert_eq!(stage.rows(), []);
        connection.close()?;
    }
    stage.assert_whole();
    Ok(())
}

/// A session that wants its COMMIT verified has that of its owner verified, which is the one that may go unanswered.
pub fn a_verified_part_has_the_owners_commit_verified<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    stage.engine.create_commit_table()?;
    for mode in [RollbackOnly, CreateSavepoint, ControlFully] {
        let mut session = joining(stage, mode).session_on(outside(stage)?);
        stage
            .script
            .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, "it hung up");
        let ended = session.build_transaction().verified().run(|session| insert(session, 1));
        let ended = ended.and_then(|()| session.into_connection().commit());
        let unknown = ended.expect_err("its answer is lost");
        let token = unknown.commit_token().expect("it is verified");
        let resolution = stage.engine.resolve(token, Duration::from_secs(10))?;
        assert_eq!(resolution, Resolution::Committed, "{mode:?}");
        assert_eq!(stage.rows(), [1, 9]);
        stage
            .engine
            .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
    }
    Ok(())
}

/// Hooks wait for the commit of whoever commits, or for the rollback.
pub fn hooks_wait_for_the_owners_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let register = |session: &mut Session<C>, name: &'static str| {
        let (committed, undone) = (stage.log.clone(), stage.log.clone());
        session.on_commit(move || committed.push(format!("{name} is there")));
        session.on_rollback(move || undone.push(format!("{name} is gone")));
    };
    for mode in [RollbackOnly, CreateSavepoint] {
        let factory = joining(stage, mode);
        for commits in [true, false] {
            stage.log.clear();
            let ended = stage.engine.connect().begin(|connection| {
                factory.on(connection, |session| {
                    register(session, "Ann");
                    session.begin(|session| insert(session, 1))
                })?;
                let undone = connection.begin_nested(|nested| {
                    factory.on(nested, |session| {
                        session.begin(|session| {
                            register(session, "Bob");
                            insert(session, 2)
                        })
                    })?;
                    Err::<(), _>(no())
                });
                assert!(undone.is_err());
                stage.log.push("still open");
                if commits { Ok(()) } else { Err(no()) }
            });
            assert_eq!(ended.is_ok(), commits);
            let said = stage.log.take();
            let said: Vec<&str> = said
                .iter()
                .map(String::as_str)
                .filter(|line| line.contains(' '))
                .collect();
            let said: Vec<&str> = said
                .into_iter()
                .filter(|line| line.contains("is") || line.contains("still"))
                .collect();
            let end = if commits { "Ann is there" } else { "Ann is gone" };
            assert_eq!(said, ["Bob is gone", "still open", end], "{mode:?}");
            stage
                .engine
                .begin(|session| Ok(session.batch_execute("DELETE FROM accounts")?))?;
        }
    }
    Ok(())
}

/// An `Exit` costs the owner its connection, as it would in a savepoint of the owner's.
pub fn an_exit_is_everybodys<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = joining(stage, CreateSavepoint).session_on(outside(stage)?);
    let left = session.begin(|session| {
        insert(session, 1)?;
        Err::<(), _>(Error::from(Exit::new("enough")))
    });
    assert!(left.expect_err("it asked to stop").is_exit());
    let mut connection = session.into_connection();
    let error = connection.commit().expect_err("the connection was closed");
    assert!(
        error.is_doomed() && error.to_string().contains("asked to stop"),
        "{error}"
    );
    assert_eq!(stage.rows(), []);
    drop(connection);
    stage.assert_whole();
    Ok(())
}
