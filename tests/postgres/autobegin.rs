//! A root that began by itself is nobody's transaction: what `begin`, `#[retry]` and Diesel's `transaction` do with it.

use aludel::Error;
use aludel::prelude::*;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;

use crate::bank::{ANN, BOB, Bank, PgSession, accounts, another_ann, look, note, pay};

#[retry]
fn deposit(session: &mut Session<PgConnection>) -> aludel::Result<()> {
    pay(session, BOB, 100)?;
    Ok(())
}

#[track_caller]
fn names_the_first_write(error: &Error) {
    assert!(error.is_transaction_already_open(), "{error:?}");
    let text = error.to_string();
    let write =
        "UPDATE \"accounts\" SET \"balance\" = (\"accounts\".\"balance\" + $1) WHERE (\"accounts\".\"id\" = $2)";
    assert!(text.contains(&format!("first write: {write}")), "{text}");
    assert!(text.contains("autobegin.rs"), "the place of the call: {text}");
    assert!(
        text.contains("commit() or rollback(), nest with begin_nested"),
        "{text}"
    );
}

#[test]
fn begin_and_retry_on_a_session_that_has_written_name_the_first_write() {
    let bank = Bank::open("written");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    note(&mut session, ANN, -100).expect("the second write is not the first");
    names_the_first_write(&session.begin(|_| Ok(())).unwrap_err());
    names_the_first_write(&deposit(&mut session).unwrap_err());
    // Nothing has happened to the transaction.
    session.commit().expect("it is the caller's to end");
    assert_eq!(bank.books(), (400, 500, 1));
    bank.log.expect(&["begin", "commit"]);
}

#[test]
fn begin_and_retry_on_a_session_that_has_only_read_begin_their_own() {
    let bank = Bank::open("read");
    let mut session = bank.engine.session();
    look(&mut session).expect("the server is alive");
    deposit(&mut session).expect("nobody misses what was read");
    look(&mut session).expect("the server is alive");
    session
        .begin(|session| Ok(pay(session, BOB, 1)?))
        .expect("nobody misses what was read");
    drop(session);
    assert_eq!(bank.books().1, 601);
    bank.log.expect(&[
        "begin", "commit", "begin", "commit", "begin", "commit", "begin", "commit",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn diesels_transaction_after_a_read_is_a_transaction_of_its_own() {
    let bank = Bank::open("diesel_read");
    let mut session = bank.engine.session();
    look(&mut session).expect("the server is alive");
    session
        .transaction(|session| pay(session, ANN, -100))
        .expect("there is enough");
    drop(session);
    assert_eq!(bank.books().0, 400);
    bank.log.expect(&["begin", "commit", "begin", "commit"]);
    bank.expect_whole_pool();
}

#[test]
fn diesels_transaction_after_a_write_commits_all_of_it() {
    let bank = Bank::open("diesel_write");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    session
        .transaction(|session| pay(session, BOB, 100))
        .expect("there is a Bob");
    drop(session);
    assert_eq!(bank.books(), (400, 600, 0));
    bank.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
    bank.expect_whole_pool();
}

#[test]
fn diesels_transaction_after_a_write_rolls_back_to_its_own_start() {
    let bank = Bank::open("diesel_back");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    let error = session.transaction(|session| {
        pay(session, BOB, 100)?;
        another_ann(session)
    });
    assert!(matches!(error, Err(DieselError::DatabaseError(..))));
    assert_eq!(bank.books(), (500, 500, 0)); // the earlier write is pending
    // It is nobody's transaction again.
    names_the_first_write(&session.begin(|_| Ok(())).unwrap_err());
    session.commit().expect("it is the caller's to end");
    assert_eq!(bank.books(), (400, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn diesels_transaction_after_a_write_that_swallows_an_error_leaves_the_write_to_its_owner() {
    let bank = Bank::open("diesel_swallows");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    let error = session.transaction(|session| {
        let _ = another_ann(session);
        QueryResult::Ok(())
    });
    assert!(Error::from(error.unwrap_err()).is_doomed());
    names_the_first_write(&session.begin(|session| Ok(pay(session, BOB, 100)?)).unwrap_err());
    session.commit().expect("it is the caller's to end");
    assert_eq!(bank.books(), (400, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn dropping_a_session_that_has_written_rolls_back_and_says_so() {
    let bank = Bank::open("dropped");
    let write = |session: &mut PgSession| pay(session, ANN, -100).expect("there is enough");
    write(&mut bank.engine.session());
    bank.log.expect(&["begin", "dropped uncommitted", "rollback"]);
    look(&mut bank.engine.session()).expect("the server is alive");
    bank.log.expect(&["begin", "rollback"]);
    assert_eq!(bank.books().0, 500);
    bank.expect_whole_pool();
}

#[test]
fn commit_and_rollback_inside_a_scope_are_refused() {
    let bank = Bank::open("inside");
    let mut session = bank.engine.session();
    session
        .begin(|session| {
            let error = session.commit().unwrap_err().to_string();
            assert!(
                error.starts_with("commit() inside begin, begin_nested, transaction or #[retry]"),
                "{error}"
            );
            assert!(session.rollback().is_err());
            Ok(pay(session, ANN, -100)?)
        })
        .expect("a refusal dooms nothing");
    assert_eq!(bank.books().0, 400);
}

#[test]
fn begin_nested_without_a_transaction_begins_one_by_itself() {
    let bank = Bank::open("nested");
    let mut session = bank.engine.session();
    session
        .begin_nested(|nested| Ok(pay(nested, ANN, -100)?))
        .expect("there is enough");
    assert!(session.in_transaction() && !session.in_nested_transaction());
    assert_eq!(bank.books().0, 500);
    session.commit().expect("as you go");
    assert_eq!(bank.books().0, 400);
    bank.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
}

#[test]
fn a_lock_is_a_read_that_somebody_may_lose() {
    // SELECT .. FOR UPDATE writes nothing that could be lost: begin gives its lock away and takes its own.
    let bank = Bank::open("for_update");
    let mut session = bank.engine.session();
    accounts::table
        .find(ANN)
        .select(accounts::balance)
        .for_update()
        .first::<i64>(&mut session)
        .expect("nobody else is there");
    session
        .begin(|session| Ok(pay(session, ANN, -100)?))
        .expect("only reads went before");
    assert_eq!(bank.books().0, 400);
}

#[test]
fn begin_after_a_select_that_has_written_does_not_lose_it() {
    // A function that a SELECT calls may write, and nobody can see that from outside: the root that has "only read" is
    // committed to make room.
    let bank = Bank::open("select_writes");
    let spend = "CREATE FUNCTION spend() RETURNS bigint LANGUAGE sql \
                 AS $$ UPDATE accounts SET balance = 1 WHERE id = 1 RETURNING balance $$";
    bank.outside().batch_execute(spend).expect("it is ours");
    let mut session = bank.engine.session();
    diesel::sql_query("SELECT spend()")
        .execute(&mut session)
        .expect("it writes");
    session.begin(|_| Ok(())).expect("nothing is in the way");
    assert_eq!(bank.books().0, 1);
}
