//! The connection is killed in a transaction: before, in and after a savepoint.

use std::cell::Cell;

use aludel::prelude::*;
use aludel::{Outcome, Phase};
use diesel::PgConnection;

use crate::bank::{ANN, BOB, Bank, PgSession, look, note, pay};

/// Kills the connection once, at one place of the story.
struct Killer<'b> {
    bank: &'b Bank,
    place: Cell<Option<&'static str>>,
}

impl Killer<'_> {
    fn at(&self, place: &str, session: &mut PgSession) {
        if self.place.get() == Some(place) {
            self.place.set(None);
            self.bank.kill(session);
        }
    }
}

#[retry]
fn transfer(session: &mut Session<PgConnection>, killer: &Killer<'_>) -> aludel::Result<()> {
    pay(session, ANN, -100)?;
    killer.at("before the savepoint", session);
    session.begin_nested(|nested| {
        pay(nested, BOB, 100)?;
        killer.at("in the savepoint", nested);
        note(nested, BOB, 100)?;
        Ok(())
    })?;
    killer.at("after the savepoint", session);
    note(session, ANN, -100)?;
    Ok(())
}

#[track_caller]
fn is_run_again_when_killed(place: &'static str, first_attempt: &[&str]) {
    let bank = Bank::open("rerun");
    let killer = Killer {
        bank: &bank,
        place: Cell::new(Some(place)),
    };
    transfer(&mut bank.engine.session(), &killer).expect("the second attempt is left alone");
    assert_eq!(bank.books(), (400, 600, 2));
    let second_attempt = [
        "doomed",
        "retire",
        "invalidate",
        "rollback",
        "rerun transfer, attempt 2, after disconnect",
        "begin",
        "savepoint 1",
        "release 1",
        "commit",
    ];
    bank.log.expect(&[first_attempt, &second_attempt].concat());
    bank.expect_whole_pool();
}

#[test]
fn a_retry_function_is_run_again_when_killed_before_the_savepoint() {
    is_run_again_when_killed("before the savepoint", &["begin", "fault disconnect in Savepoint"]);
}

#[test]
fn a_retry_function_is_run_again_when_killed_in_the_savepoint() {
    is_run_again_when_killed(
        "in the savepoint",
        &["begin", "savepoint 1", "fault disconnect in Statement"],
    );
}

#[test]
fn a_retry_function_is_run_again_when_killed_after_the_savepoint() {
    is_run_again_when_killed(
        "after the savepoint",
        &["begin", "savepoint 1", "release 1", "fault disconnect in Statement"],
    );
}

#[test]
fn engine_begin_passes_a_disconnect_on_and_says_what_has_become_of_the_transaction() {
    for place in ["before the savepoint", "in the savepoint", "after the savepoint"] {
        let bank = Bank::open("begin");
        let killer = Killer {
            bank: &bank,
            place: Cell::new(Some(place)),
        };
        // Inside a transaction the function joins: nothing may run it again but whoever began.
        let error = bank.engine.begin(|session| transfer(session, &killer)).unwrap_err();
        assert!(error.is_disconnect() && error.is_retryable(), "{place}: {error:?}");
        assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{place}");
        assert_eq!(bank.books(), (500, 500, 0), "{place}");
        assert_eq!(bank.times("retire"), 1, "{place}: {:?}", bank.log);
        bank.expect_whole_pool();
    }
}

#[test]
fn an_as_you_go_session_whose_connection_died_refuses_until_rollback() {
    let bank = Bank::open("as_you_go");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("the connection is alive");
    bank.kill(&mut session);
    let first = aludel::Error::from(look(&mut session).unwrap_err());
    assert!(first.is_disconnect());

    for _ in 0..2 {
        let refused = aludel::Error::from(pay(&mut session, BOB, 100).unwrap_err());
        assert!(refused.is_doomed() && refused.is_disconnect());
        let text = refused.to_string();
        assert!(text.contains("takes nothing but its rollback; first cause: "), "{text}");
        assert!(
            text.contains("terminating connection due to administrator command"),
            "{text}"
        );
    }
    assert!(session.is_doomed());
    bank.log.expect(&[
        "begin",
        "fault disconnect in Statement",
        "doomed",
        "retire",
        "invalidate",
    ]);

    session
        .rollback()
        .expect("there is nothing to tell the server any more");
    pay(&mut session, BOB, 100).expect("on a fresh connection");
    session.commit().expect("nothing is in its way");
    assert_eq!(bank.books(), (500, 600, 0));
    bank.log.expect(&["rollback", "begin", "commit"]);
    bank.expect_whole_pool();
}

#[test]
fn commit_of_an_as_you_go_session_whose_connection_died_says_why_and_ends_the_transaction() {
    let bank = Bank::open("as_you_go_commit");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("the connection is alive");
    bank.kill(&mut session);
    look(&mut session).unwrap_err();
    let error = session.commit().unwrap_err();
    assert!(error.is_doomed() && error.is_disconnect() && !error.is_commit_unknown());
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    look(&mut session).expect("the next transaction is another one");
    assert_eq!(bank.books(), (500, 500, 0));
}

#[test]
fn a_swallowed_disconnect_is_not_committed_over() {
    let bank = Bank::open("swallowed");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            bank.kill(session);
            let _ = look(session);
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed() && error.is_disconnect());
    assert_eq!(bank.books(), (500, 500, 0));
}

#[test]
fn a_connection_that_dies_before_rollback_changes_nothing_about_the_first_error() {
    let bank = Bank::open("rollback");
    let mut session = bank.engine.session();
    let error = session
        .begin(|session| {
            pay(session, ANN, -100)?;
            bank.kill_before(Phase::Rollback, session);
            Err::<(), _>(aludel::Error::other("the caller changed its mind"))
        })
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the caller changed its mind [rolled back"),
        "{error}"
    );
    assert_eq!(error.later().len(), 1, "{error}");
    assert!(error.later()[0].is_disconnect(), "{error}");
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}
