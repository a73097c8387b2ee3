//! `Exit`: the caller leaves in the middle. The one connection is closed, the error goes through as it is, nothing is run
//! again, and the pool stays.

use aludel::prelude::*;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;

use crate::bank::{ANN, BOB, Bank, look, pay};

#[retry]
fn leaves(session: &mut Session<PgConnection>, bank: &Bank, nested: bool) -> aludel::Result<()> {
    bank.log.push("run");
    pay(session, ANN, -100)?;
    if nested {
        session.begin_nested(|nested| {
            pay(nested, BOB, 100)?;
            Err(Exit::new("shutting down").into())
        })
    } else {
        Err(Exit::new("shutting down").into())
    }
}

#[track_caller]
fn goes_through_as_it_is(bank: &Bank, error: &aludel::Error) {
    assert!(error.is_exit() && !error.is_retryable());
    assert_eq!(error.to_string(), "exit: shutting down");
    assert!(error.later().is_empty());
    assert_eq!(
        (bank.times("invalidate"), bank.times("retire")),
        (1, 0),
        "{:?}",
        bank.log
    );
    assert_eq!((bank.times("commit"), bank.books()), (0, (500, 500, 0)));
    bank.expect_whole_pool();
}

#[test]
fn an_exit_through_engine_begin() {
    let bank = Bank::open("begin");
    let error = bank.engine.begin(|session| leaves(session, &bank, false)).unwrap_err();
    goes_through_as_it_is(&bank, &error);
}

#[test]
fn an_exit_through_a_savepoint_and_a_retry_function_is_not_run_again() {
    let bank = Bank::open("retry");
    let mut session = bank.engine.session();
    let error = leaves(&mut session, &bank, true).unwrap_err();
    goes_through_as_it_is(&bank, &error);
    bank.log
        .expect(&["begin", "run", "savepoint 1", "invalidate", "doomed", "rollback"]);
    look(&mut session).expect("the session goes on, on another connection");
}

#[test]
fn an_exit_that_is_caught_inside_dooms_the_transaction() {
    let bank = Bank::open("inside");
    let error = bank
        .engine
        .begin(|session| {
            assert!(leaves(session, &bank, true).unwrap_err().is_exit());
            assert!(look(session).is_err());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed(), "{error}");
    assert!(error.to_string().contains("the caller asked to stop"), "{error}");
    assert_eq!((bank.times("commit"), bank.books()), (0, (500, 500, 0)));
    bank.expect_whole_pool();
}

#[test]
fn an_exit_after_a_conflict_is_not_run_again_either() {
    let bank = Bank::open_with("conflict", |builder| {
        builder.isolation_level(IsolationLevel::RepeatableRead)
    });
    let mut runs = 0;
    let error = bank
        .engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| {
            runs += 1;
            look(session)?; // takes the snapshot
            bank.outside().batch_execute("UPDATE accounts SET balance = 500")?;
            pay(session, ANN, -100).unwrap_err();
            Err::<(), _>(Exit::new("shutting down").into())
        })
        .unwrap_err();
    assert_eq!(runs, 1);
    goes_through_as_it_is(&bank, &error);
}

#[test]
fn other_connections_of_the_pool_outlive_an_exit() {
    let bank = Bank::open("others");
    let (mut one, mut other) = (bank.engine.session(), bank.engine.session());
    look(&mut one).expect("the server is alive");
    let pid = Bank::pid(&mut other);
    one.rollback().expect("as you go");
    one.begin(|_| Err::<(), _>(Exit::new("shutting down").into()))
        .unwrap_err();
    other.rollback().expect("as you go");
    assert_eq!(Bank::pid(&mut other), pid);
}
