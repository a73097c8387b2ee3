//! Deadlocks, lock waits, and errors that somebody swallows (facts D3, D4, D6).

use std::thread;

use aludel::prelude::*;
use aludel::{Outcome, Phase};
use aludel_tests::Meeting;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::stories::{Bank, withdraw};

/// Two sessions that want each other's row; each says which it takes first.
fn crossing<'s>(
    bank: &'s Bank,
    meeting: &'s Meeting,
    first: i32,
    second: i32,
) -> impl FnOnce() -> aludel::Result<u32> + 's {
    move || {
        let mut attempts = 0;
        cross(&mut bank.engine.session(), first, second, meeting, &mut attempts)?;
        Ok(attempts)
    }
}

#[retry(attempts = 5, deadline = "30s", rerun_sees(attempts))]
fn cross(
    session: &mut Session<MysqlConnection>,
    first: i32,
    second: i32,
    meeting: &Meeting,
    attempts: &mut u32,
) -> aludel::Result<()> {
    *attempts += 1;
    withdraw(session, first, 1)?;
    if *attempts == 1 {
        meeting.meet(); // both hold their first row
    }
    withdraw(session, second, 1)
}

#[test]
fn of_two_sessions_in_a_deadlock_one_runs_again() {
    let bank = Bank::open("deadlock");
    let meeting = Meeting::new("both hold their first row", 2);
    let attempts: u32 = thread::scope(|threads| {
        let one = threads.spawn(crossing(&bank, &meeting, 1, 2));
        let two = threads.spawn(crossing(&bank, &meeting, 2, 1));
        [one, two]
            .map(|thread| thread.join().expect("no panic").expect("no failed call"))
            .iter()
            .sum()
    });
    assert_eq!(attempts, 3, "one of them was the victim, once");
    assert_eq!(bank.balances(), [498, -2]);
    let log = bank.log.take();
    assert!(log.contains(&"rerun 2 after retry".to_owned()), "{log:?}");
    assert!(
        !log.contains(&"invalidate".to_owned()),
        "a deadlock is no reason to reconnect: {log:?}"
    );
    bank.assert_whole();
}

/// Makes this session the victim of a deadlock, and gives back its error.
fn lose_a_deadlock(bank: &Bank, session: &mut Session<MysqlConnection>) -> aludel::Result<aludel::Error> {
    withdraw(session, 1, 100)?;
    let mut winner = bank.outside();
    // The one who has changed more rows is not chosen as the victim.
    diesel::sql_query("BEGIN").execute(&mut winner)?;
    for n in 0..20 {
        diesel::sql_query(format!(
            "INSERT INTO accounts (owner, balance, version) VALUES ('extra {n}', 0, 1)"
        ))
        .execute(&mut winner)?;
    }
    withdraw(&mut winner, 2, 1)?;
    let id = aludel_tests::mariadb::connection_id(&mut winner);
    thread::scope(|threads| {
        let blocked = threads.spawn(move || {
            withdraw(&mut winner, 1, 1)?; // waits for us
            diesel::sql_query("ROLLBACK").execute(&mut winner)?;
            Ok::<(), aludel::Error>(())
        });
        bank.server.wait_until_blocked(id);
        let error = withdraw(session, 2, 100).expect_err("it closes the circle");
        blocked.join().expect("no panic")?;
        Ok(error)
    })
}

#[test]
fn a_swallowed_deadlock_cannot_be_committed_over() -> aludel::Result<()> {
    let bank = Bank::open("swallowed");
    let error = bank
        .engine
        .begin(|session| {
            let deadlock = lose_a_deadlock(&bank, session)?;
            assert!(deadlock.is_retryable(), "{deadlock}");
            // Without us, this would be in autocommit and survive a ROLLBACK.
            let refused = withdraw(session, 2, 7).expect_err("there is no transaction any more");
            assert!(
                refused.is_doomed() && refused.to_string().contains("Deadlock found"),
                "{refused}"
            );
            Ok(())
        })
        .expect_err("COMMIT would answer ok, and lose everything before the deadlock");
    assert!(error.is_doomed() && error.is_retryable());
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert!(
        error
            .to_string()
            .contains("first cause: Deadlock found when trying to get lock"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_swallowed_deadlock_in_diesels_own_transaction() -> aludel::Result<()> {
    let bank = Bank::open("swallowed_diesel");
    let mut session = bank.engine.session();
    let result: Result<(), DieselError> = session.transaction(|session| {
        lose_a_deadlock(&bank, session).expect("it loses");
        Ok(())
    });
    let error = aludel::Error::from(result.expect_err("it cannot be committed"));
    assert!(error.is_doomed() && error.is_retryable(), "{error}");
    assert_eq!(bank.balances(), [500, 0]);
    assert!(!session.in_transaction());
    Ok(())
}

#[test]
fn a_deadlock_inside_a_savepoint_dooms_the_root_and_is_told_first() -> aludel::Result<()> {
    let bank = Bank::open("deadlock_nested");
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 1)?;
            let inner: aludel::Result<()> = session.begin_nested(|nested| Err(lose_a_deadlock(&bank, nested)?));
            let inner = inner.expect_err("the deadlock");
            assert!(inner.to_string().starts_with("Deadlock found"), "{inner}");
            assert_eq!(
                inner.outcome(),
                Some(Outcome::RolledBack),
                "the server has dropped all savepoints"
            );
            inner_is_not_hidden(session);
            Err::<(), _>(inner)
        })
        .expect_err("the deadlock");
    assert!(
        error.to_string().starts_with("Deadlock found") && error.is_retryable(),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    let log = bank.log.take();
    assert!(!log.contains(&"invalidate".to_owned()), "{log:?}");
    bank.assert_whole();
    Ok(())
}

fn inner_is_not_hidden(session: &mut Session<MysqlConnection>) {
    let refused = session.begin_nested(|_| Ok(())).expect_err("the root is doomed");
    assert!(
        refused.is_doomed() && refused.to_string().contains("Deadlock found"),
        "{refused}"
    );
}

#[test]
fn a_lock_wait_timeout_undoes_the_statement_only_and_a_rerun_rolls_back_first() -> aludel::Result<()> {
    let bank = Bank::open("lock_wait");
    let mut holder = bank.outside();
    diesel::sql_query("BEGIN").execute(&mut holder)?;
    withdraw(&mut holder, 2, 1)?;
    let mut runs = 0;
    let mut session = bank.engine.session();
    session.retry(&aludel::RetryPolicy::new(), |session| {
        runs += 1;
        diesel::sql_query("SET innodb_lock_wait_timeout = 1").execute(session)?;
        withdraw(session, 1, 100)?;
        let result = withdraw(session, 2, -100);
        if runs == 1 {
            let error = result.as_ref().expect_err("somebody holds the row");
            assert!(
                error.is_retryable() && error.to_string().contains("Lock wait timeout"),
                "{error}"
            );
            diesel::sql_query("ROLLBACK").execute(&mut holder)?;
        }
        result
    })?;
    assert_eq!((runs, bank.balances()), (2, vec![400, 100]));

    // Survived by the caller, the transaction is whole and commits.
    diesel::sql_query("BEGIN").execute(&mut holder)?;
    withdraw(&mut holder, 2, 1)?;
    session.begin(|session| {
        diesel::sql_query("SET innodb_lock_wait_timeout = 1").execute(session)?;
        withdraw(session, 1, 1)?;
        assert!(withdraw(session, 2, 1).is_err());
        withdraw(session, 1, 1)
    })?;
    diesel::sql_query("ROLLBACK").execute(&mut holder)?;
    assert_eq!(bank.balances(), [398, 100]);
    Ok(())
}

#[test]
fn a_plain_error_leaves_the_transaction_open_on_mariadb() -> aludel::Result<()> {
    let bank = Bank::open("plain_error");
    bank.engine.begin(|session| {
        withdraw(session, 1, 100)?;
        let taken =
            diesel::sql_query("INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 0, 1)").execute(session);
        assert!(matches!(
            taken,
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
        ));
        withdraw(session, 1, 1)
    })?;
    assert_eq!(bank.balances(), [399, 0]);
    Ok(())
}

#[test]
fn a_conflict_at_commit_is_rolled_back_and_runs_again() -> aludel::Result<()> {
    // What a Galera node answers to COMMIT: certified by nobody, rolled back by the server (D4).
    let bank = Bank::open("conflict_at_commit");
    let text = "Deadlock found when trying to get lock; try restarting transaction";
    bank.script.fail_before(Phase::Commit, DatabaseErrorKind::Unknown, text);
    bank.engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| withdraw(session, 1, 100))?;
    assert_eq!(bank.balances(), [400, 0]);
    bank.log
        .expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
    Ok(())
}
