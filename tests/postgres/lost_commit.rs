//! The answer to COMMIT never comes.

use aludel::prelude::*;
use aludel::{Outcome, Phase};
use diesel::PgConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::bank::{ANN, BOB, Bank, accounts, pay};

const LOST: &str = "server closed the connection unexpectedly";

#[retry]
fn deposit(session: &mut Session<PgConnection>, bank: &Bank) -> aludel::Result<()> {
    bank.log.push("deposit");
    pay(session, BOB, 100)?;
    Ok(())
}

#[retry(commit = "idempotent")]
fn set_balance(session: &mut Session<PgConnection>, bank: &Bank) -> aludel::Result<()> {
    bank.log.push("set_balance");
    diesel::update(accounts::table.find(BOB))
        .set(accounts::balance.eq(700))
        .execute(session)?;
    Ok(())
}

#[test]
fn a_connection_killed_during_commit_leaves_the_outcome_unknown() {
    let bank = Bank::open("killed");
    let mut session = bank.engine.session();
    let error = session
        .begin(|session| {
            pay(session, ANN, -100)?;
            bank.kill_before(Phase::Commit, session);
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_commit_unknown() && !error.is_retryable() && error.is_disconnect());
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    let text = error.to_string();
    assert!(text.starts_with("COMMIT was sent and its answer never came, it may or may not have happened: "));
    assert!(
        text.contains("look for the effect of the transaction before running it again"),
        "{text}"
    );
    assert!(!session.in_transaction());
    bank.log.expect(&[
        "begin",
        "fault disconnect in Commit",
        "commit unknown",
        "retire",
        "invalidate",
    ]);
    assert_eq!(bank.books(), (500, 500, 0)); // known only to those who killed it
    bank.expect_whole_pool();
}

#[test]
fn an_unknown_commit_is_never_rerun_by_default() {
    let bank = Bank::open("not_rerun");
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    let error = deposit(&mut bank.engine.session(), &bank).unwrap_err();
    assert!(error.is_commit_unknown());
    assert_eq!(bank.books(), (500, 600, 0)); // it had happened: a rerun would have paid twice
    assert_eq!(bank.times("deposit"), 1);
    bank.expect_whole_pool();
}

#[test]
fn an_unknown_commit_is_rerun_where_the_author_promises_idempotence() {
    let bank = Bank::open("idempotent");
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    set_balance(&mut bank.engine.session(), &bank).expect("the second COMMIT is answered");
    assert_eq!(bank.books(), (500, 700, 0));
    bank.log.expect(&[
        "begin",
        "set_balance",
        "fault disconnect in Commit",
        "commit unknown",
        "retire",
        "invalidate",
        "rerun set_balance, attempt 2, after disconnect",
        "begin",
        "set_balance",
        "commit",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn words_of_a_lost_connection_on_a_living_one_do_not_retire_the_pool() {
    let bank = Bank::open("forged");
    // A text without the socket's word for it: a deferred trigger could have raised it.
    bank.script.fail_after(Phase::Commit, DatabaseErrorKind::Unknown, LOST);
    let error = deposit(&mut bank.engine.session(), &bank).unwrap_err();
    assert!(error.is_commit_unknown());
    assert_eq!(
        (bank.times("retire"), bank.times("invalidate")),
        (0, 1),
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn hooks_do_not_run_after_an_unknown_commit() {
    let bank = Bank::open("hooks");
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    let mut session = bank.engine.session();
    let log = bank.log.clone();
    session.on_commit(move || log.push("told the world"));
    pay(&mut session, ANN, -100).expect("the connection is alive");
    assert!(session.commit().unwrap_err().is_commit_unknown());
    pay(&mut session, ANN, -100).expect("on another connection");
    session.commit().expect("nothing is in its way");
    assert_eq!(bank.times("told the world"), 0);
}

#[test]
fn a_deferred_constraint_that_fails_at_commit_is_a_known_outcome() {
    let bank = Bank::open("deferred");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            crate::bank::note(session, 77, 100)?; // checked at COMMIT: there is no account 77
            Ok(())
        })
        .unwrap_err();
    assert!(!error.is_commit_unknown() && !error.is_retryable());
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert!(
        error
            .to_string()
            .starts_with("COMMIT failed: insert or update on table \"ledger\""),
        "{error}"
    );
    bank.log.expect(&["begin", "fault permanent in Commit", "rollback"]);
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}
