//! Whole transactions that run again.

use std::sync::Mutex;
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{Phase, RetryPolicy};
use aludel_tests::EventLog;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Account, Bank, accounts, withdraw};

#[retry(attempts = 3, deadline = "10s")]
fn pay(session: &mut Session<SqliteConnection>, amount: i64) -> aludel::Result<i64> {
    let account = session.get_one::<Account>(1)?;
    session[account].balance -= amount;
    session.flush()?;
    Ok(session[account].balance)
}

#[test]
fn a_locked_database_is_tried_again_and_the_rerun_takes_the_lock_first() -> aludel::Result<()> {
    let bank = Bank::open_with("?busy_timeout=1");
    let holder = Mutex::new(bank.outside());
    holder.lock().unwrap().batch_execute("BEGIN IMMEDIATE")?;
    let mut statements = 0;
    let mut session = bank.engine.session();
    let sent = EventLog::new();
    let listener = sent.clone();
    session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            listener.push(text.split(" -- binds").next().unwrap_or_default());
        }
    });
    session.retry(&RetryPolicy::new(), |session| {
        statements += 1;
        let result = withdraw(session, 1, 100);
        if statements == 1 {
            // Let go after the first attempt has failed.
            holder.lock().unwrap().batch_execute("ROLLBACK")?;
            assert!(result.as_ref().expect_err("it is locked").is_retryable());
        }
        result
    })?;
    assert_eq!((statements, bank.balances()), (2, vec![400, 0]));
    bank.log
        .expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
    let sent = sent.take();
    let begins: Vec<&str> = sent
        .iter()
        .map(String::as_str)
        .filter(|sql| sql.starts_with("BEGIN"))
        .collect();
    assert_eq!(
        (begins.first(), begins.last()),
        (Some(&"BEGIN"), Some(&"BEGIN IMMEDIATE")),
        "{sent:?}"
    );
    bank.assert_whole();
    Ok(())
}

#[test]
fn each_attempt_starts_from_a_rollback_and_attempts_are_counted() {
    let bank = Bank::open();
    for _ in 0..3 {
        bank.script
            .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    }
    let error = pay(&mut bank.engine.session(), 100).expect_err("three attempts were given");
    assert!(
        error.is_retryable() && error.to_string().contains("database is locked"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    bank.log.expect(&[
        "begin",
        "rollback",
        "rerun 2 after retry",
        "begin",
        "rollback",
        "rerun 3 after retry",
        "begin",
        "rollback",
    ]);
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    assert_eq!(
        pay(&mut bank.engine.session(), 100).expect("the second attempt goes through"),
        400
    );
    assert_eq!(bank.balances(), [400, 0]);
    bank.assert_whole();
}

#[test]
fn inside_a_transaction_it_joins_and_the_outermost_decides() {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    let mut runs = 0;
    bank.engine
        .session()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            pay(session, 100)
        })
        .expect("the outer one runs again");
    assert_eq!((runs, bank.balances()), (2, vec![400, 0]));
    bank.log
        .expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
}

#[test]
fn the_session_decides_whatever_the_body_makes_of_the_error() {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    let mut runs = 0;
    bank.engine
        .session()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            withdraw(session, 1, 100).map_err(|_| aludel::Error::other("something went wrong"))
        })
        .expect("the session saw what it was");
    assert_eq!(runs, 2);

    // An error of the caller's own is none of our business, even after a trouble that was survived.
    bank.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    let mut runs = 0;
    let error = bank
        .engine
        .session()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            if withdraw(session, 1, 100).is_err() {
                withdraw(session, 1, 100)?;
            }
            Err::<(), _>(aludel::Error::other("not enough tea"))
        })
        .expect_err("it fails for good");
    assert_eq!((runs, error.is_retryable()), (1, false));
}

#[test]
fn an_error_that_was_survived_does_not_hide_the_one_that_was_not() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut runs = 0;
    bank.engine.session().retry(&RetryPolicy::new(), |session| {
        runs += 1;
        let taken = diesel::sql_query("INSERT INTO accounts VALUES (3, 'Ann', 0, 1)").execute(session);
        assert!(taken.is_err());
        if runs == 1 {
            bank.script
                .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
        }
        withdraw(session, 1, 1)
    })?;
    assert_eq!((runs, bank.balances()), (2, vec![499, 0]));
    Ok(())
}

#[test]
fn the_deadline_wins_and_pauses_grow_on_the_test_clock() {
    let (clock, time) = Clock::test();
    let script = aludel::testing::FaultScript::new();
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .clock(clock)
        .faults(script.clone())
        .build()
        .unwrap();
    for _ in 0..100 {
        script.fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    }
    let policy = RetryPolicy::new().attempts(50).deadline(Duration::from_secs(1));
    let error = engine
        .session()
        .retry(&policy, |session| Ok(session.batch_execute("SELECT 1")?))
        .expect_err("it stays locked");
    assert!(error.is_retryable());
    let slept = time.slept();
    let attempts = error.attempts().expect("it was tried");
    assert_eq!(
        (slept[0], slept.len()),
        (Duration::ZERO, attempts as usize - 1),
        "the first rerun comes at once"
    );
    assert!(
        slept.iter().sum::<Duration>() < Duration::from_secs(1) && attempts < 50,
        "{slept:?}"
    );
    assert!(
        error.to_string().contains(&format!("tried {attempts} times in")),
        "{error}"
    );
}

#[test]
fn an_entity_from_outside_shows_fresh_values_in_every_attempt() -> aludel::Result<()> {
    #[retry]
    fn pay_from(session: &mut Session<SqliteConnection>, account: Entity<Account>) -> aludel::Result<i64> {
        session.edit(account)?.balance -= 100;
        Ok(session[account].balance)
    }
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let account = session.get_one::<Account>(1)?;
    assert_eq!(session[account].balance, 500);
    session.commit()?;

    // Between the attempts somebody else changes the row.
    let mut outside = bank.outside();
    bank.script.call_before(Phase::Rollback, move || {
        diesel::update(accounts::table.find(1))
            .set((accounts::balance.eq(1_000), accounts::version.eq(9)))
            .execute(&mut outside)
            .ok();
    });
    bank.script
        .fail_before(Phase::Begin, DatabaseErrorKind::Unknown, "database is locked");
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    let left = pay_from(&mut session, account)?;
    assert_eq!(bank.balances(), [left, 0]);
    assert_eq!(session[account].balance, left);
    Ok(())
}

#[test]
fn a_mutable_argument_starts_anew_in_each_attempt() -> aludel::Result<()> {
    #[retry(clone(note), rerun_sees(attempts))]
    fn count(
        session: &mut Session<SqliteConnection>,
        mut amount: i64,
        note: String,
        attempts: &mut u32,
    ) -> aludel::Result<(i64, String)> {
        *attempts += 1;
        amount += 1;
        withdraw(session, 1, amount)?;
        Ok((amount, note))
    }
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    let mut attempts = 0;
    let result = count(&mut bank.engine.session(), 1, "tea".to_owned(), &mut attempts)?;
    assert_eq!((result, attempts), ((2, "tea".to_owned()), 2));
    assert_eq!(bank.balances(), [498, 0]);
    Ok(())
}

#[test]
fn other_result_types_work_too() {
    #[retry(attempts = 2)]
    fn as_diesel(session: &mut Session<SqliteConnection>) -> QueryResult<usize> {
        diesel::update(accounts::table.find(1))
            .set(accounts::balance.eq(1))
            .execute(session)
    }
    #[retry(attempts = 2)]
    fn as_boxed(session: &mut Session<SqliteConnection>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        withdraw(session, 1, 1)?;
        Ok(())
    }
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    assert_eq!(as_diesel(&mut bank.engine.session()).expect("it runs again"), 1);
    bank.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    as_boxed(&mut bank.engine.session()).expect("it runs again");
    assert_eq!(bank.balances(), [0, 0]);
}

/// What an error of ours tells of the attempts, it tells inside of somebody else's type as well.
#[test]
fn an_error_of_ours_brings_its_report_into_a_type_of_the_callers() {
    #[derive(Debug)]
    struct Trouble(aludel::Error);
    impl From<aludel::Error> for Trouble {
        fn from(error: aludel::Error) -> Self {
            Self(error)
        }
    }
    #[retry(attempts = 2)]
    fn pays(session: &mut Session<SqliteConnection>) -> Result<(), Trouble> {
        withdraw(session, 1, 1)?;
        Ok(())
    }
    let bank = Bank::open();
    for phase in [Phase::Commit, Phase::Begin] {
        bank.script
            .fail_before(phase, DatabaseErrorKind::Unknown, "database is locked");
        bank.script
            .fail_before(phase, DatabaseErrorKind::Unknown, "database is locked");
        let Trouble(error) = pays(&mut bank.engine.session()).expect_err("two attempts were given");
        assert_eq!(error.attempts(), Some(2), "{phase:?}: {error}");
    }
    bank.assert_whole();
}

#[test]
fn a_deadline_beyond_all_clocks_is_none() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
    let policy = RetryPolicy::new().deadline(Duration::MAX);
    bank.engine
        .session()
        .retry(&policy, |session| withdraw(session, 1, 1))?;
    assert_eq!(bank.balances(), [499, 0]);
    Ok(())
}

/// The savepoint's own mistake was expected, and is survived wherever ROLLBACK TO gets through: what decides is the connection
/// that was lost with it.
#[test]
fn a_savepoint_that_cannot_be_rolled_back_is_run_again_whatever_had_failed_in_it() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.script.fail_before(
        Phase::RollbackTo,
        DatabaseErrorKind::ClosedConnection,
        "the server hung up",
    );
    let mut attempts = 0;
    bank.engine.session().retry(&RetryPolicy::new(), |session| {
        attempts += 1;
        let refused = session.begin_nested(|nested| {
            withdraw(nested, 1, 50)?;
            nested.add(Account::new("Ann", 1)); // there is one
            nested.flush()
        });
        let refused = refused.expect_err("the name is taken");
        assert!(refused.to_string().starts_with("UNIQUE constraint failed"), "{refused}");
        withdraw(session, 1, 100)
    })?;
    assert_eq!(attempts, 2);
    assert_eq!(bank.balances(), [400, 0]);
    bank.assert_whole();
    Ok(())
}

/// The same where the connection survives: the savepoint's own mistake had done no harm to the transaction, and what has done it
/// is worth another run.
#[test]
fn what_kept_a_savepoint_from_ending_decides_and_not_the_mistake_that_it_was_there_for() -> aludel::Result<()> {
    for phase in [Phase::RollbackTo, Phase::Release] {
        let bank = Bank::open();
        bank.script
            .fail_before(phase, DatabaseErrorKind::Unknown, "database is locked");
        let mut attempts = 0;
        bank.engine.session().retry(&RetryPolicy::new(), |session| {
            attempts += 1;
            let _ = session.begin_nested(|nested| {
                withdraw(nested, 1, 50)?;
                let taken = diesel::sql_query("INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 0, 1)");
                match (taken.execute(nested), phase) {
                    (Err(_), Phase::Release) => Ok(()), // it was expected
                    (taken, _) => Ok(taken.map(drop)?),
                }
            });
            withdraw(session, 1, 100)
        })?;
        assert_eq!(attempts, 2, "{phase:?}");
        let kept = if phase == Phase::Release { 350 } else { 400 };
        assert_eq!(bank.balances(), [kept, 0], "{phase:?}");
        bank.assert_whole();
    }
    Ok(())
}

/// The other way round nothing changes: a lock that was met first is worth another run, whatever ROLLBACK TO says.
#[test]
fn a_lock_inside_a_savepoint_decides_whatever_became_of_the_savepoint() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    bank.script.fail_before(
        Phase::RollbackTo,
        DatabaseErrorKind::Unknown,
        "no such savepoint: aludel_sp_1",
    );
    let mut attempts = 0;
    bank.engine.session().retry(&RetryPolicy::new(), |session| {
        attempts += 1;
        session.begin_nested(|nested| withdraw(nested, 1, 100))
    })?;
    assert_eq!((attempts, bank.balances()), (2, vec![400, 0]));
    bank.assert_whole();
    Ok(())
}
