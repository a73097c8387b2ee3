//! Closures that leave in other ways than Ok: exits, COMMITs and RELEASEs that fail.

use aludel::prelude::*;
use aludel::{ErrorKind, Outcome, Phase};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Bank, accounts, withdraw};

#[test]
fn a_failing_commit_is_rolled_back_and_the_next_borrower_sees_nothing_of_it() -> aludel::Result<()> {
    // A deferred foreign key fails at COMMIT, and SQLite leaves the transaction open.
    let bank = Bank::open();
    let mut session = bank.engine.session();
    session.with_raw(|raw| {
        use diesel::connection::SimpleConnection as _;
        raw.batch_execute("ROLLBACK; PRAGMA foreign_keys = ON; BEGIN")?;
        Ok(raw.batch_execute(
            "CREATE TABLE child (account INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED)",
        )?)
    })?;
    session.commit()?;
    withdraw(&mut session, 1, 100)?;
    diesel::sql_query("INSERT INTO child VALUES (99)").execute(&mut session)?;
    let error = session.commit().expect_err("there is no account 99");
    assert_eq!(error.kind(), ErrorKind::Commit);
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert!(
        !error.is_retryable() && error.to_string().contains("FOREIGN KEY"),
        "{error}"
    );
    assert!(!session.in_transaction());
    withdraw(&mut session, 1, 1)?;
    session.commit()?;
    assert_eq!(bank.balances(), [499, 0]);
    drop(session);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_commit_whose_answer_is_lost_says_so_and_is_not_run_again() {
    let bank = Bank::open();
    bank.script.fail_after(
        Phase::Commit,
        DatabaseErrorKind::ClosedConnection,
        "server closed the connection unexpectedly",
    );
    let told = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut runs, teller) = (0, told.clone());
    let error = bank
        .engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| {
            runs += 1;
            let teller = teller.clone();
            session.on_commit(move || teller.store(true, std::sync::atomic::Ordering::SeqCst));
            withdraw(session, 1, 100)
        })
        .expect_err("nobody knows");
    assert!(error.is_commit_unknown() && !error.is_retryable());
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    assert!(
        !told.load(std::sync::atomic::Ordering::SeqCst),
        "a hook must not run when nobody knows"
    );
    assert_eq!((runs, bank.balances()), (1, vec![400, 0]), "here it had happened");
    bank.assert_whole();
}

#[test]
fn an_idempotent_author_has_it_run_again() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.script.fail_after(
        Phase::Commit,
        DatabaseErrorKind::ClosedConnection,
        "server closed the connection unexpectedly",
    );
    let policy = aludel::RetryPolicy::new().commit(aludel::CommitPolicy::Idempotent);
    bank.engine.session().retry(&policy, |session| {
        diesel::update(accounts::table.find(1))
            .set(accounts::balance.eq(42))
            .execute(session)?;
        Ok(())
    })?;
    assert_eq!(bank.balances(), [42, 0]);
    bank.log.expect(&[
        "begin",
        "commit unknown",
        "invalidate",
        "rerun 2 after disconnect",
        "begin",
        "commit",
    ]);
    Ok(())
}

#[test]
fn a_failing_release_dooms_the_root() {
    let bank = Bank::open();
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            let lost = session.begin_nested(|nested| {
                withdraw(nested, 1, 100)?;
                // The savepoint goes away behind our back.
                nested.with_raw(|raw| {
                    use diesel::connection::SimpleConnection as _;
                    Ok(raw.batch_execute("RELEASE aludel_sp_1")?)
                })
            });
            assert!(lost.expect_err("there is nothing to release").is_doomed());
            let refused = withdraw(session, 1, 1).expect_err("the root is doomed");
            assert!(refused.to_string().contains("no such savepoint"), "{refused}");
            Ok(())
        })
        .expect_err("it cannot be committed");
    assert!(
        error.is_doomed() && error.to_string().contains("no such savepoint"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn the_closures_error_is_not_replaced_by_that_of_the_rollback() {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Rollback, DatabaseErrorKind::Unknown, "disk I/O error");
    let error = bank
        .engine
        .begin(|session| -> aludel::Result<()> {
            withdraw(session, 1, 100)?;
            Err(aludel::Error::other("not enough tea"))
        })
        .expect_err("it fails");
    assert!(error.to_string().starts_with("not enough tea"), "{error}");
    assert_eq!(error.later().len(), 1);
    assert_eq!(bank.balances(), [500, 0]);
    assert!(bank.log.take().contains(&"invalidate".to_owned()));
    bank.assert_whole();
}

#[test]
fn an_error_that_leaves_a_savepoint_and_then_its_root_says_that_all_is_rolled_back() {
    let bank = Bank::open();
    let mut inside = None;
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            session.begin_nested(|outer| {
                let left =
                    outer.begin_nested(|_| -> aludel::Result<()> { Err(aludel::Error::other("not enough tea")) });
                inside = left.as_ref().err().and_then(aludel::Error::outcome);
                left
            })
        })
        .expect_err("it fails");
    assert_eq!(inside, Some(Outcome::RolledBackToSavepoint));
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(error.to_string(), "not enough tea [rolled back, nothing was written]");
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn errors_of_the_users_own_type_pass_through() {
    #[derive(Debug)]
    enum Mine {
        Poor,
        Database(aludel::Error),
    }
    impl From<aludel::Error> for Mine {
        fn from(error: aludel::Error) -> Self {
            Self::Database(error)
        }
    }
    let bank = Bank::open();
    let poor = bank.engine.begin_with(|session| -> Result<(), Mine> {
        withdraw(session, 1, 100)?;
        Err(Mine::Poor)
    });
    assert!(matches!(poor, Err(Mine::Poor)));
    assert_eq!(bank.balances(), [500, 0]);
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    let locked = bank
        .engine
        .begin_with(|session| -> Result<(), Mine> { Ok(withdraw(session, 1, 100)?) });
    assert!(matches!(locked, Err(Mine::Database(error)) if error.is_retryable()));
    bank.assert_whole();
}

#[test]
fn an_exit_in_a_box_is_an_exit() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    let bank = Bank::open();
    let error = bank.engine.begin_with(|session| -> Result<(), Boxed> {
        withdraw(session, 1, 100)?;
        Err(Exit::new("shutting down").into())
    });
    assert_eq!(error.expect_err("it leaves").to_string(), "shutting down");
    assert!(bank.log.take().contains(&"invalidate".to_owned()));
    bank.assert_whole();
}

#[test]
fn detach_closed() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::builder(aludel_tests::sqlite::shared()).build()?;
    let mut connection = engine.connect();
    diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    connection.invalidate("for a test");
    let error = connection.detach().unwrap_err();
    assert!(error.to_string().contains("rollback()"), "{error}");
    connection.rollback()?;
    connection.detach()?;
    assert!(connection.is_detached());
    diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    connection.commit()?;
    assert_eq!(engine.pool().checkedout(), 0, "its place is free");
    drop(connection);
    assert_eq!((engine.pool().checkedin(), engine.pool().status().detached), (0, 1));
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn invalidate_twice() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::builder(aludel_tests::sqlite::shared()).build()?;
    let mut connection = engine.connect();
    diesel::sql_query("SELECT 1").execute(&mut connection)?;
    connection.invalidate("once");
    connection.invalidate("twice");
    assert_eq!(engine.pool().closed(), 1);
    connection.rollback()?;
    diesel::sql_query("SELECT 1").execute(&mut connection)?;
    Ok(())
}
