//! Panics: whoever catches them, and wherever, nothing half-done is committed and nothing half-done goes back to the pool.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use aludel::prelude::*;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, PgSession, accounts, look, pay};

/// A payload that no library would make.
#[derive(Debug, PartialEq)]
struct OutOfSugar;

/// What a panic in the closure leaves behind.
#[track_caller]
fn caught<T>(f: impl FnOnce() -> T) -> OutOfSugar {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    *payload.downcast().expect("the payload goes on unchanged")
}

#[track_caller]
fn the_one_connection_is_closed_and_the_pool_is_whole(bank: &Bank) {
    assert_eq!(
        (bank.times("invalidate"), bank.times("retire")),
        (1, 0),
        "{:?}",
        bank.log
    );
    assert_eq!((bank.times("commit"), bank.books()), (0, (500, 500, 0)));
    bank.expect_whole_pool();
    assert_eq!(bank.engine.pool().checkedin(), 0);
}

#[test]
fn a_panic_in_a_nested_closure_that_is_caught_outside() {
    let bank = Bank::open("outside");
    let payload = caught(|| {
        bank.engine.begin(|session| {
            pay(session, ANN, -100)?;
            session.begin_nested(|nested| -> aludel::Result<()> {
                pay(nested, BOB, 100)?;
                panic_any(OutOfSugar)
            })
        })
    });
    assert_eq!(payload, OutOfSugar);
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
}

#[test]
fn a_panic_in_a_nested_closure_that_is_caught_inside_dooms_the_transaction() {
    let bank = Bank::open("inside");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            caught(|| {
                session.begin_nested(|nested| -> aludel::Result<()> {
                    pay(nested, BOB, 100)?;
                    panic_any(OutOfSugar)
                })
            });
            assert!(look(session).is_err());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed() && !error.is_retryable());
    assert!(
        error.to_string().contains("a panic interrupted the transaction"),
        "{error}"
    );
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
}

#[test]
fn a_panic_in_a_retry_function_is_not_run_again() {
    #[retry]
    fn panics(session: &mut Session<PgConnection>, bank: &Bank) -> aludel::Result<()> {
        bank.log.push("run");
        pay(session, ANN, -100)?;
        panic_any(OutOfSugar)
    }
    let bank = Bank::open("retry");
    let mut session = bank.engine.session();
    caught(|| panics(&mut session, &bank));
    assert_eq!(bank.times("run"), 1);
    assert!(!session.in_transaction());
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
    look(&mut session).expect("the session goes on, on another connection");
}

#[test]
fn a_panic_in_diesels_own_transaction_rolls_back() {
    let bank = Bank::open("diesel");
    let mut session = bank.engine.session();
    caught(|| {
        session.transaction(|session| -> diesel::QueryResult<()> {
            pay(session, ANN, -100)?;
            panic_any(OutOfSugar)
        })
    });
    assert!(!session.in_transaction());
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
}

#[test]
fn a_panic_while_rows_are_being_read() {
    let bank = Bank::open("rows");
    caught(|| {
        bank.engine.begin(|session| {
            pay(session, ANN, -100)?;
            let rows = accounts::table.select(accounts::owner);
            let mut rows = rows.load_iter::<String, PgRowByRowLoadingMode>(session)?;
            let owner = rows.next().expect("two rows are to come")?;
            assert_eq!(owner, "Bob", "the row that was not updated comes first");
            if rows.next().is_some() {
                panic_any(OutOfSugar);
            }
            Ok(())
        })
    });
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
}

#[test]
fn a_panic_while_an_as_you_go_session_reads_rows_and_that_is_caught_dooms_the_transaction() {
    let bank = Bank::open("rows_caught");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    caught(|| read_and_panic(&mut session));
    let refused = aludel::Error::from(pay(&mut session, BOB, 100).unwrap_err());
    assert!(refused.is_doomed(), "{refused}");
    assert!(session.commit().unwrap_err().is_doomed());
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
    // Nothing of it is left in the session either.
    look(&mut session).expect("on another connection");
    bank.kill(&mut session);
    assert!(aludel::Error::from(look(&mut session).unwrap_err()).is_disconnect());
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

#[test]
fn a_panic_with_an_as_you_go_transaction_open_closes_the_connection() {
    let bank = Bank::open("as_you_go");
    caught(|| {
        let mut session = bank.engine.session();
        pay(&mut session, ANN, -100).expect("there is enough");
        panic_any(OutOfSugar)
    });
    the_one_connection_is_closed_and_the_pool_is_whole(&bank);
}

#[test]
fn a_panic_with_nothing_open_costs_no_connection() {
    let bank = Bank::open("nothing_open");
    caught(|| {
        let mut session = bank.engine.session();
        look(&mut session).expect("the server is alive");
        session.commit().expect("there is little to commit");
        panic_any(OutOfSugar)
    });
    assert_eq!((bank.times("invalidate"), bank.engine.pool().checkedin()), (0, 1));
    bank.expect_whole_pool();
}

fn read_and_panic(session: &mut PgSession) {
    let rows = accounts::table.select(accounts::owner);
    let mut rows = rows
        .load_iter::<String, PgRowByRowLoadingMode>(session)
        .expect("it is there");
    assert!(rows.next().is_some());
    panic_any(OutOfSugar)
}
