//! Sessions in each other's way: deadlocks and serialization failures.

use std::cell::{Cell, RefCell};
use std::thread;

use aludel::Class;
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel_tests::Meeting;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, PgSession, accounts, note, pay};

#[retry]
fn transfer(session: &mut Session<PgConnection>, from: i32, to: i32, locked: &Meeting) -> aludel::Result<()> {
    pay(session, from, -10)?;
    locked.meet();
    pay(session, to, 10)?;
    Ok(())
}

#[test]
fn of_two_sessions_in_a_deadlock_one_is_run_again_and_both_end_with_the_right_sums() {
    let bank = Bank::open_with("deadlock", |builder| builder.clock(Clock::system()));
    // Each holds one row before it asks for the other's; a rerun finds nobody to meet and passes.
    let locked = Meeting::new("each transfer holds its first row", 2);
    thread::scope(|threads| {
        for (from, to) in [(ANN, BOB), (BOB, ANN)] {
            let (bank, locked) = (&bank, &locked);
            threads.spawn(move || {
                let mut runs = 0;
                bank.engine
                    .session()
                    .retry(&aludel::RetryPolicy::new(), |session| {
                        runs += 1;
                        pay(session, from, -10)?;
                        if runs == 1 {
                            locked.meet();
                        }
                        pay(session, to, 10)?;
                        Ok(())
                    })
                    .expect("one of the five attempts goes through");
            });
        }
    });
    assert_eq!(bank.books(), (500, 500, 0));
    assert_eq!(bank.times("commit"), 2);
    // One at least: a victim that comes back at once may meet the other transfer once more.
    let deadlocks = bank.times("fault retry in Statement");
    assert!(deadlocks >= 1, "{:?}", bank.log);
    assert_eq!(bank.times("rollback"), deadlocks, "{:?}", bank.log);
    assert!(
        bank.times("rerun closure, attempt 2, after retry") >= 1,
        "{:?}",
        bank.log
    );
    assert_eq!(
        (bank.times("invalidate"), bank.times("retire")),
        (0, 0),
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn a_deadlock_that_is_not_run_again_says_what_to_do() {
    let bank = Bank::open("deadlock_once");
    let locked = Meeting::new("each transfer holds its first row", 2);
    let transfer = |from, to| {
        let locked = &locked;
        bank.engine.begin(move |session| transfer(session, from, to, locked))
    };
    let (one, other) = thread::scope(|threads| {
        let one = threads.spawn(|| transfer(ANN, BOB));
        let other = threads.spawn(|| transfer(BOB, ANN));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    });
    let error = match (one, other) {
        (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
        (one, other) => panic!("one of them wins: {one:?}, {other:?}"),
    };
    assert_eq!((error.class(), error.is_retryable()), (Class::Retry, true));
    let text = error.to_string();
    assert!(
        text.starts_with("deadlock detected [SQL: UPDATE ") && text.contains("] [rolled back, nothing was written]"),
        "{text}"
    );
    assert!(
        text.ends_with("run the whole transaction again: `#[retry]` does so by itself"),
        "{text}"
    );
    bank.expect_whole_pool();
}

#[test]
fn a_deadlock_that_was_swallowed_is_not_committed_over_and_the_function_runs_again() {
    let bank = Bank::open_with("deadlock_swallowed", |builder| builder.clock(Clock::system()));
    let locked = Meeting::new("each transfer holds its first row", 2);
    thread::scope(|threads| {
        for (from, to) in [(ANN, BOB), (BOB, ANN)] {
            let (bank, locked) = (&bank, &locked);
            threads.spawn(move || {
                let mut runs = 0;
                let swallows = |session: &mut PgSession| {
                    runs += 1;
                    pay(session, from, -10)?;
                    if runs == 1 {
                        locked.meet();
                    }
                    let _ = pay(session, to, 10);
                    Ok(())
                };
                let policy = aludel::RetryPolicy::new();
                bank.engine.session().retry(&policy, swallows).expect("it is run again");
            });
        }
    });
    assert_eq!(bank.books(), (500, 500, 0));
    assert!(
        bank.times("rerun closure, attempt 2, after retry") >= 1,
        "{:?}",
        bank.log
    );
}

/// Changes Ann's balance behind the session's back, once.
#[retry]
fn double(session: &mut Session<PgConnection>, bank: &Bank, disturbed: &Cell<bool>) -> aludel::Result<i64> {
    let balance: i64 = accounts::table.find(ANN).select(accounts::balance).first(session)?;
    if !disturbed.replace(true) {
        pay(&mut bank.outside(), ANN, 1)?;
    }
    diesel::update(accounts::table.find(ANN))
        .set(accounts::balance.eq(balance * 2))
        .execute(session)?;
    Ok(balance * 2)
}

#[test]
fn a_serialization_failure_is_run_again_from_the_first_read() {
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let bank = Bank::open_with("serialization", |builder| builder.isolation_level(level));
        let doubled = double(&mut bank.engine.session(), &bank, &Cell::new(false)).expect("nobody disturbs it twice");
        assert_eq!((doubled, bank.books().0), (1002, 1002), "{level:?}");
        bank.log.expect(&[
            "begin",
            "fault retry in Statement",
            "doomed",
            "rollback",
            "rerun double, attempt 2, after retry",
            "begin",
            "commit",
        ]);
        bank.expect_whole_pool();
    }
}

#[test]
fn without_an_isolation_level_the_same_function_loses_an_update() {
    let bank = Bank::open("read_committed");
    let doubled = double(&mut bank.engine.session(), &bank, &Cell::new(false)).expect("nobody objects");
    assert_eq!(doubled, 1000); // the stranger's 1 is lost, as READ COMMITTED allows
}

#[test]
fn a_serialization_failure_at_commit_is_a_known_outcome_and_is_run_again() {
    let bank = Bank::open_with("write_skew", |builder| {
        builder.isolation_level(IsolationLevel::Serializable)
    });
    let other = RefCell::new(Some(bank.outside()));
    bank.engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| {
            let sum = |connection: &mut PgSession| -> QueryResult<i64> {
                let balances: Vec<i64> = accounts::table.select(accounts::balance).load(connection)?;
                Ok(balances.iter().sum())
            };
            let Some(mut other) = other.take() else {
                let sum = sum(session)?;
                note(session, ANN, sum)?;
                return Ok(());
            };
            sum(session)?;
            other.batch_execute(
                "BEGIN ISOLATION LEVEL SERIALIZABLE; \
                 SELECT * FROM ledger; UPDATE accounts SET balance = balance + 1 WHERE id = 2",
            )?;
            note(session, ANN, 1)?;
            other.batch_execute("COMMIT")?;
            Ok(())
        })
        .expect("the second attempt is alone");
    assert_eq!(bank.books(), (500, 501, 1));
    bank.log.expect(&[
        "begin",
        "fault retry in Commit",
        "rollback",
        "rerun closure, attempt 2, after retry",
        "begin",
        "commit",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn a_conflict_that_never_ends_uses_up_its_attempts() {
    let bank = Bank::open_with("for_ever", |builder| {
        builder.isolation_level(IsolationLevel::RepeatableRead)
    });
    #[retry(attempts = 3)]
    fn disturbed(session: &mut Session<PgConnection>, bank: &Bank) -> aludel::Result<()> {
        crate::bank::look(session)?; // takes the snapshot
        pay(&mut bank.outside(), ANN, 1)?;
        pay(session, ANN, 100)?;
        Ok(())
    }
    let error = disturbed(&mut bank.engine.session(), &bank).unwrap_err();
    assert_eq!(error.class(), Class::Retry);
    assert_eq!(
        (bank.times("begin"), bank.times("rollback"), bank.books().0),
        (3, 3, 503)
    );
    assert_eq!(bank.log.snapshot().last().map(String::as_str), Some("rollback"));
    bank.expect_whole_pool();
}
