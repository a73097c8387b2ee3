//! `Exit`: the caller leaves in the middle. The one connection is closed, the error goes through as it is, nothing is run
//! again, and the pool stays.

use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;

use crate::bank::{ANN, Bank, accounts, look, pay};

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

#[test]
fn rows_that_are_left_unread_without_a_panic_are_no_exit() {
    let bank = Bank::open("rows_left");
    let mut session = bank.engine.session();
    let rows = accounts::table.select(accounts::owner);
    let first = rows
        .load_iter::<String, PgRowByRowLoadingMode>(&mut session)
        .expect("the table is there")
        .next();
    assert!(matches!(first, Some(Ok(_))));
    pay(&mut session, ANN, -100).expect("the wire was cleared");
    session.commit().expect("nothing is in its way");
    assert_eq!((bank.books().0, bank.times("invalidate")), (400, 0));
    bank.expect_whole_pool();
}
