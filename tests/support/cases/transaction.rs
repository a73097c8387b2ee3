//! Transactions and savepoints of a connection: `TransactionTest` and `AutoRollbackTest`.

use aludel::prelude::*;
use aludel::{Connection, Error, ErrorKind, Outcome, Phase};
use diesel::connection::SimpleConnection;
use diesel::result::DatabaseErrorKind;

use super::{Stage, insert, look};

/// The stories of this module as tests on the stages that a function makes.
#[macro_export]
macro_rules! transaction_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, transaction:
            commits
            rollback
            raise
            close
            close2
            explicit_begin
            begin_block
            no_autocommit
            ctxmanager_interface
            retains_through_options
            rollback_end_ctx_manager
            rollback_end_ctx_manager_autocommit
            ctxmanager_rolls_back
            deactivated_warning_straight
            commit_fails_ctxmanager
            savepoint_release_fails_flat
            no_rollback_in_deactive
            nested_subtransaction_rollback
            nested_subtransaction_commit
            autobegin_rollback
            autobegin_commit
            rollback_on_close
            rollback_on_exception
            rollback_on_exception_if_no_trans
            no_autocommit_w_begin
            commit_no_begin
            rollback_no_begin
            no_double_begin
            savepoint_one
            savepoint_two
            savepoint_four
            savepoint_five
            savepoint_six
            rollback_deadlock
        }
    };
}

/// An error of the caller's own.
fn no() -> Error {
    Error::other("not enough tea")
}

pub fn commits<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    for id in [1, 2, 3] {
        insert(&mut connection, id)?;
        connection.commit()?;
        assert_eq!(stage.rows(), (1..=id).collect::<Vec<_>>());
    }
    stage
        .log
        .expect(&["begin", "commit", "begin", "commit", "begin", "commit"]);
    assert_eq!(stage.engine.pool().opened(), 2, "a connection keeps what it has taken");
    Ok(())
}

pub fn rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    for id in [1, 2, 3] {
        insert(&mut connection, id)?;
    }
    connection.rollback()?;
    assert_eq!(stage.rows(), []);
    stage.log.expect(&["begin", "rollback"]);
    Ok(())
}

pub fn raise<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    let error = connection
        .begin(|connection| {
            insert(connection, 1)?;
            insert(connection, 2)?;
            insert(connection, 1)
        })
        .expect_err("there is a 1 already");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{error}");
    assert!(!connection.in_transaction());
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.commit()?;
    insert(&mut connection, 2)?;
    connection.close()?;
    assert!(!connection.in_transaction());
    assert_eq!(stage.rows(), [1]);
    stage.log.expect(&["begin", "commit", "begin", "rollback"]);
    stage.assert_whole();
    Ok(())
}

/// The same after a savepoint that was kept, and with what comes after the close.
pub fn close2<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.begin_nested(|nested| insert(nested, 2))?;
    connection.close()?;
    assert_eq!(stage.rows(), []);
    insert(&mut connection, 3)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [3]);
    Ok(())
}

pub fn explicit_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| {
        assert!(connection.in_transaction() && !connection.in_nested_transaction());
        insert(connection, 1)
    })?;
    assert!(!connection.in_transaction());
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn begin_block<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    stage.engine.begin(|session| insert(session, 1))?;
    assert_eq!(stage.rows(), [1]);
    stage.assert_whole();
    Ok(())
}

/// Whoever does not commit keeps nothing, in whichever way the connection goes.
pub fn no_autocommit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    drop(connection);
    let mut session = stage.engine.session();
    insert(&mut session, 2)?;
    drop(session);
    assert_eq!(stage.rows(), []);
    stage.log.expect(&[
        "begin",
        "dropped uncommitted",
        "rollback",
        "begin",
        "dropped uncommitted",
        "rollback",
    ]);
    stage.assert_whole();
    Ok(())
}

pub fn ctxmanager_interface<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| insert(connection, 1))?;
    let failed = connection.begin(|connection| {
        insert(connection, 2)?;
        Err::<(), _>(no())
    });
    assert!(
        failed
            .expect_err("it says no")
            .to_string()
            .starts_with("not enough tea")
    );
    connection.begin(|connection| insert(connection, 3))?;
    assert_eq!(stage.rows(), [1, 3]);
    stage
        .log
        .expect(&["begin", "commit", "begin", "rollback", "begin", "commit"]);
    Ok(())
}

/// Options that say nothing about how a transaction runs are set in the midst of one, which goes on. Those that do are
/// refused there: here that is no matter of a connection that shares a transaction, since there is only one.
pub fn retains_through_options<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.set_logging_token(Some("import 7"));
    connection.set_skip_user_error_events(true);
    let refused = connection
        .execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Serializable))
        .expect_err("a transaction is open")
        .kind();
    assert_eq!(refused, ErrorKind::Misuse);
    insert(&mut connection, 2)?;
    connection.rollback()?;
    assert_eq!(stage.rows(), []);
    stage.log.expect(&["begin", "rollback"]);
    Ok(())
}

/// Ending a scope from inside is refused at once, and the scope goes on.
pub fn rollback_end_ctx_manager<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| {
        insert(connection, 1)?;
        for refused in [connection.rollback(), connection.commit(), connection.close()] {
            let text = refused.expect_err("the scope ends it").to_string();
            assert!(text.contains("return Ok to commit, Err to roll back"), "{text}");
        }
        insert(connection, 2)
    })?;
    assert_eq!(stage.rows(), [1, 2]);
    stage.log.expect(&["begin", "commit"]);
    Ok(())
}

/// In AUTOCOMMIT there is no scope that could be ended from inside: whoever asks for one is refused.
pub fn rollback_end_ctx_manager_autocommit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    let refused = connection.begin(|_| Ok(())).expect_err("there is none");
    assert_eq!(refused.kind(), ErrorKind::Misuse, "{refused}");
    insert(&mut connection, 1)?;
    connection.rollback()?;
    insert(&mut connection, 2)?;
    assert_eq!(stage.rows(), [1, 2], "each is there at once, and stays");
    stage.log.expect(&[]);
    Ok(())
}

/// Exactly one ROLLBACK for an error, of the innermost scope that it leaves; what is around it goes on.
pub fn ctxmanager_rolls_back<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    let failed = connection.begin(|connection| {
        insert(connection, 1)?;
        Err::<(), _>(no())
    });
    assert!(failed.is_err() && !connection.in_transaction());
    assert_eq!(stage.rollbacks(), (1, 0));
    connection.begin(|connection| {
        insert(connection, 1)?;
        let inner = connection.begin_nested(|nested| {
            insert(nested, 2)?;
            Err::<(), _>(no())
        });
        assert!(inner.is_err() && connection.in_transaction());
        insert(connection, 3)
    })?;
    assert_eq!(stage.rollbacks(), (0, 1));
    assert_eq!(stage.rows(), [1, 3]);
    Ok(())
}

/// A second rollback has nothing to do, and sends nothing.
pub fn deactivated_warning_straight<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.rollback()?;
    connection.rollback()?;
    assert_eq!(stage.rollbacks(), (1, 0));
    Ok(())
}

/// A COMMIT that fails ends the transaction: `rollback()` is no error afterwards, and has nothing to do.
pub fn commit_fails_ctxmanager<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    stage.fail(
        Phase::Commit,
        DatabaseErrorKind::CheckViolation,
        "the books do not balance",
    );
    let error = connection
        .begin(|connection| insert(connection, 1))
        .expect_err("the server refuses");
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Commit, Some(Outcome::RolledBack))
    );
    assert!(
        error.to_string().starts_with("COMMIT failed: the books do not balance"),
        "{error}"
    );
    assert!(!connection.in_transaction());
    assert_eq!(stage.rollbacks(), (1, 0));
    connection.rollback()?;
    assert_eq!(stage.rollbacks(), (0, 0));
    insert(&mut connection, 2)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [2]);
    Ok(())
}

/// A savepoint that is gone: the error has the driver's cause, nothing more is sent, and the outer rollback works.
pub fn savepoint_release_fails_flat<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    let error = connection
        .begin_nested(|nested| {
            insert(nested, 2)?;
            nested.with_raw(|raw| Ok(raw.batch_execute("RELEASE SAVEPOINT aludel_sp_1")?))
        })
        .expect_err("there is nothing to release");
    let text = error.to_string().to_lowercase();
    assert!(error.is_doomed() && text.contains("savepoint"), "{text}");
    assert!(!connection.in_nested_transaction() && connection.in_transaction());
    assert!(insert(&mut connection, 3).expect_err("the root is doomed").is_doomed());
    connection.rollback()?;
    insert(&mut connection, 4)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [4]);
    Ok(())
}

/// What COMMIT and RELEASE answer goes up as it is; a second ROLLBACK does not stand in its place.
pub fn no_rollback_in_deactive<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for (phase, text) in [
        (Phase::Commit, "the commit's own"),
        (Phase::Release, "the release's own"),
    ] {
        stage.fail(phase, DatabaseErrorKind::CheckViolation, text);
        stage.fail(Phase::Rollback, DatabaseErrorKind::CheckViolation, "the rollback's");
        let error = stage
            .engine
            .begin(|session| {
                insert(session, 1)?;
                session.begin_nested(|nested| insert(nested, 2))
            })
            .expect_err("it cannot be kept");
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.first_cause().contains(text), "{error}");
        assert_eq!(stage.script.remaining(), 0, "both were met");
        assert_eq!(stage.rows(), []);
    }
    stage.assert_whole();
    Ok(())
}

pub fn nested_subtransaction_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| {
        insert(connection, 1)?;
        let failed = connection.begin_nested(|nested| {
            insert(nested, 2)?;
            Err::<(), _>(no())
        });
        assert_eq!(
            failed.expect_err("it says no").outcome(),
            Some(Outcome::RolledBackToSavepoint)
        );
        insert(connection, 3)
    })?;
    assert_eq!(stage.rows(), [1, 3]);
    Ok(())
}

pub fn nested_subtransaction_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| {
        insert(connection, 1)?;
        connection.begin_nested(|nested| insert(nested, 2))?;
        insert(connection, 3)
    })?;
    assert_eq!(stage.rows(), [1, 2, 3]);
    Ok(())
}

pub fn autobegin_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    assert!(!connection.in_transaction());
    insert(&mut connection, 1)?;
    assert!(connection.in_transaction());
    connection.rollback()?;
    assert!(!connection.in_transaction());
    stage.log.expect(&["begin", "rollback"]);
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn autobegin_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    assert_eq!(stage.rows(), [], "nobody else sees it yet");
    connection.commit()?;
    insert(&mut connection, 2)?;
    connection.rollback()?;
    stage.log.expect(&["begin", "commit", "begin", "rollback"]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A ROLLBACK at the end of a connection, if a transaction is open.
pub fn rollback_on_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    look(&mut connection)?;
    drop(connection);
    stage.log.expect(&["begin", "rollback"]);
    assert_eq!(stage.rollbacks(), (1, 0));
    let mut connection = stage.engine.connect();
    look(&mut connection)?;
    connection.commit()?;
    stage.log.clear();
    drop(connection);
    stage.log.expect(&[]);
    assert_eq!(stage.rollbacks(), (0, 0));
    Ok(())
}

pub fn rollback_on_exception<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let fails = |stage: &Stage<C>| -> aludel::Result<()> {
        let mut connection = stage.engine.connect();
        insert(&mut connection, 1)?;
        Err(no())
    };
    assert!(fails(stage).is_err());
    stage.log.expect(&["begin", "dropped uncommitted", "rollback"]);
    assert_eq!(stage.rollbacks(), (1, 0));
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn rollback_on_exception_if_no_trans<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let fails = |stage: &Stage<C>| -> aludel::Result<()> {
        let connection = stage.engine.connect();
        assert!(!connection.in_transaction());
        Err(no())
    };
    assert!(fails(stage).is_err());
    stage.log.expect(&[]);
    assert_eq!(stage.rollbacks(), (0, 0));
    Ok(())
}

/// AUTOCOMMIT cannot be switched on in a transaction, however it has begun.
pub fn no_autocommit_w_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let autocommit = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    let refused = |connection: &mut Connection<C>| {
        let error = connection
            .execution_options(autocommit)
            .map(|_| ())
            .expect_err("one is open");
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("a transaction is open"), "{error}");
    };
    let mut connection = stage.engine.connect();
    look(&mut connection)?;
    refused(&mut connection);
    connection.rollback()?;
    connection.begin(|connection| {
        refused(connection);
        Ok(())
    })?;
    connection.execution_options(autocommit)?;
    insert(&mut connection, 1)?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn commit_no_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.commit()?;
    stage.log.expect(&[]);
    stage.sent.expect(&[]);
    Ok(())
}

pub fn rollback_no_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.rollback()?;
    stage.log.expect(&[]);
    stage.sent.expect(&[]);
    Ok(())
}

/// A begin joins what was begun explicitly, and is refused where work of the caller's own is unfinished.
pub fn no_double_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin(|connection| {
        insert(connection, 1)?;
        connection.begin(|connection| insert(connection, 2))
    })?;
    stage.log.expect(&["begin", "commit"]);
    insert(&mut connection, 3)?;
    let refused = connection
        .begin(|_| Ok(()))
        .expect_err("3 would be committed with it, or lost");
    assert!(refused.is_transaction_already_open(), "{refused}");
    assert!(refused.to_string().contains("INSERT INTO accounts"), "{refused}");
    connection.commit()?;
    assert_eq!(stage.rows(), [1, 2, 3]);
    Ok(())
}

/// Where the innermost level is, after each end.
fn nested<C: Dialect>(connection: &Connection<C>) -> (bool, bool) {
    (connection.in_transaction(), connection.in_nested_transaction())
}

pub fn savepoint_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.begin_nested(|nested| insert(nested, 2))?;
    assert_eq!(nested(&connection), (true, false));
    connection.commit()?;
    assert_eq!(nested(&connection), (false, false));
    assert_eq!(stage.rows(), [1, 2]);
    stage.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
    Ok(())
}

/// The inner end keeps the outer savepoint, whichever of the two it is.
pub fn savepoint_two<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.begin_nested(|outer| {
        insert(outer, 2)?;
        let failed = outer.begin_nested(|inner| {
            insert(inner, 3)?;
            Err::<(), _>(no())
        });
        assert!(failed.is_err());
        assert_eq!(nested(outer), (true, true));
        outer.begin_nested(|inner| insert(inner, 4))?;
        assert_eq!(nested(outer), (true, true));
        insert(outer, 5)
    })?;
    assert_eq!(nested(&connection), (true, false));
    connection.commit()?;
    assert_eq!(stage.rows(), [1, 2, 4, 5]);
    Ok(())
}

/// What the inner one has kept goes with the outer one.
pub fn savepoint_four<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    let failed = connection.begin_nested(|outer| {
        outer.begin_nested(|inner| insert(inner, 2))?;
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    assert_eq!(nested(&connection), (true, false));
    insert(&mut connection, 2)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

/// The root's rollback takes all that its savepoints have kept.
pub fn savepoint_five<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.begin_nested(|outer| {
        insert(outer, 1)?;
        outer.begin_nested(|inner| insert(inner, 2))
    })?;
    connection.rollback()?;
    assert_eq!(nested(&connection), (false, false));
    assert_eq!(stage.rows(), []);
    stage.log.expect(&[
        "begin",
        "savepoint 1",
        "savepoint 2",
        "release 2",
        "release 1",
        "rollback",
    ]);
    Ok(())
}

/// An error that leaves several levels at once ends them from the inside, and says once what has become of the data.
pub fn savepoint_six<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    let error = connection
        .begin(|root| {
            insert(root, 1)?;
            root.begin_nested(|outer| {
                insert(outer, 2)?;
                outer.begin_nested(|inner| {
                    insert(inner, 3)?;
                    Err::<(), _>(no())
                })
            })
        })
        .expect_err("it says no");
    assert_eq!(nested(&connection), (false, false));
    assert_eq!(stage.rows(), []);
    assert!(error.to_string().starts_with("not enough tea"), "{error}");
    stage.log.expect(&[
        "begin",
        "savepoint 1",
        "savepoint 2",
        "rollback to 2",
        "rollback to 1",
        "rollback",
    ]);
    Ok(())
}

/// A connection that was returned holds no lock: others may drop the table that it has read.
pub fn rollback_deadlock<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.batch_execute("SELECT * FROM accounts")?;
    let mut other = stage.engine.connect();
    look(&mut other)?; // a raw connection of its own
    drop(connection);
    other.rollback()?;
    other.batch_execute(stage.impatient)?;
    other.batch_execute("DROP TABLE accounts")?;
    other.commit()?;
    Ok(())
}
