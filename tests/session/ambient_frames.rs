//! Frames of ambient functions: what is between entering and leaving, and what is done where a session does not come back as
//! it was lent.

use std::cell::Cell;
use std::mem;
use std::sync::{Arc, Mutex};

use aludel::prelude::*;
use aludel::{Error, Phase, RetryPolicy};
use diesel::connection::TransactionManager as _;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Bank, withdraw};

type Sqlite = Session<SqliteConnection>;

fn with(f: impl FnOnce(&mut Sqlite)) {
    let lent = aludel::current(|session| {
        f(session);
        Ok(())
    });
    lent.expect("nobody else has it");
}

#[transactional]
fn take(amount: i64) -> aludel::Result<()> {
    aludel::current(|session| withdraw(session, 1, amount))
}

/// A function that takes 10, does something, and ends.
#[transactional]
fn required(then: &dyn Fn(), fails: bool) -> aludel::Result<()> {
    take(10)?;
    then();
    if fails { Err(Error::other("no")) } else { Ok(()) }
}

#[transactional(nested)]
fn nested(then: &dyn Fn(), fails: bool) -> aludel::Result<()> {
    required(then, fails)
}

#[transactional]
fn around(then: &dyn Fn(), fails: bool) -> aludel::Result<()> {
    take(1)?;
    nested(then, fails)
}

#[transactional(never)]
fn plainly(then: &dyn Fn(), fails: bool) -> aludel::Result<()> {
    with(|session| withdraw(session, 1, 10).expect("there is enough"));
    then();
    if fails { Err(Error::other("no")) } else { Ok(()) }
}

type Function = fn(&dyn Fn(), bool) -> aludel::Result<()>;

#[test]
fn another_session_in_its_place_is_not_committed() {
    let after: [&str; 6] = [
        "begin",
        "rollback",
        "dropped uncommitted",
        "rollback",
        "begin",
        "commit",
    ];
    let functions: [(Function, &[&str]); 2] = [(required, &["begin"]), (around, &["begin", "savepoint 1"])];
    for (function, expected) in functions {
        for fails in [false, true] {
            let bank = Bank::open();
            let kept = Cell::new(Some(bank.engine.session()));
            bank.engine.scope(|| {
                let swap = || {
                    let mut other = kept.take().expect("it is called once");
                    diesel::sql_query("SELECT 1").execute(&mut other).expect("it reads");
                    with(|session| mem::swap(session, &mut other));
                    kept.set(Some(other));
                };
                let refused = function(&swap, fails).unwrap_err();
                let text = refused.to_string();
                assert_eq!(
                    text.starts_with("no ["),
                    fails,
                    "the first error stays the error: {text}"
                );
                assert!(
                    text.contains("another session was put in the place of the ambient session of"),
                    "{text}"
                );
                assert!(text.contains("[rolled back, nothing was written]"), "{text}");
                // The other one is left as it was: its work is its owner's.
                with(|session| assert!(session.in_transaction()));
                with(|session| session.rollback().expect("nobody has begun it"));
                // And the ambient one ends where it is now.
                drop(kept.take());
                take(100).expect("and it goes on");
            });
            bank.log.expect(&[expected, &after].concat());
            assert_eq!(bank.balances(), [400, 0]);
            bank.assert_whole();
        }
    }
}

#[test]
fn a_session_that_was_put_back_is_the_same() -> aludel::Result<()> {
    let bank = Bank::open();
    let kept = Cell::new(Some(bank.engine.session()));
    let swap = || {
        let mut other = kept.take().expect("it is there");
        with(|session| mem::swap(session, &mut other));
        kept.set(Some(other));
    };
    bank.engine.scope(|| {
        around(
            &|| {
                swap();
                swap();
            },
            false,
        )
    })?;
    bank.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
    assert_eq!(bank.balances(), [489, 0]);
    Ok(())
}

/// The session leaves a `begin` or `begin_nested` by the back door, and so keeps a level that nobody ends.
fn leaves_a_level_open(bank: &Bank) {
    with(|session| {
        let mut other = bank.engine.session();
        let _ = session.begin(|inner| {
            mem::swap(inner, &mut other);
            Ok(())
        });
        mem::swap(session, &mut other);
    });
}

#[test]
fn a_session_with_another_level_open_is_rolled_back() {
    let functions: [(Function, i64); 3] = [(required, 0), (around, 0), (plainly, 10)];
    for (function, stays) in functions {
        for fails in [false, true] {
            let bank = Bank::open();
            bank.engine.scope(|| {
                let refused = function(&|| leaves_a_level_open(&bank), fails).unwrap_err();
                let text = refused.to_string();
                assert_eq!(text.starts_with("no"), fails, "the first error stays the error: {text}");
                assert!(
                    text.contains("came back with other transactions or savepoints open"),
                    "{text}"
                );
                with(|session| assert!(!session.in_transaction()));
                take(100).expect("and it goes on");
                with(|session| session.commit().expect("and takes orders"));
            });
            assert_eq!(bank.balances(), [400 - stays, 0]);
            bank.assert_whole();
        }
    }
}

#[test]
fn a_transaction_of_diesels_that_was_left_open_is_not_committed() {
    type Manager = <Sqlite as Connection>::TransactionManager;
    let begin = || with(|session| Manager::begin_transaction(session).expect("it may"));
    let functions: [(Function, i64); 3] = [(required, 0), (around, 0), (plainly, 10)];
    for (function, stays) in functions {
        let bank = Bank::open();
        bank.engine.scope(|| {
            assert!(function(&begin, false).is_err());
            with(|session| assert!(!session.in_transaction()));
            take(100).expect("and it goes on");
        });
        assert_eq!(bank.balances(), [400 - stays, 0]);
        bank.assert_whole();
    }
}

#[test]
fn between_two_attempts_nobody_has_the_session() -> aludel::Result<()> {
    #[retry]
    fn outermost(runs: &Cell<u32>) -> aludel::Result<()> {
        runs.set(runs.get() + 1);
        take(1)?;
        middle()
    }

    #[transactional]
    fn middle() -> aludel::Result<()> {
        take(10)
    }

    let bank = Bank::open();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let _listening = bank.engine.listen(move |event| {
        if let Event::Rerun { function, attempt, .. } = event {
            let open = aludel::current(|session: &mut Sqlite| Ok(session.in_transaction()));
            let open = open.expect("nobody has it");
            heard
                .lock()
                .expect("nobody panics here")
                .push(format!("{function}, {attempt}: {open}"));
        }
    });
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::SerializationFailure, "conflict");
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::SerializationFailure, "conflict");
    let runs = Cell::new(0);
    bank.engine.scope(|| outermost(&runs))?;
    assert_eq!((runs.get(), bank.balances()), (3, vec![489, 0]));
    assert_eq!(
        *seen.lock().expect("nobody panics here"),
        ["outermost, 2: false", "outermost, 3: false"]
    );
    bank.assert_whole();
    Ok(())
}

#[test]
fn in_a_scope_of_its_own_a_retry_is_the_outermost() -> aludel::Result<()> {
    #[retry]
    fn inner(runs: &Cell<u32>) -> aludel::Result<()> {
        runs.set(runs.get() + 1);
        take(10)
    }

    #[transactional]
    fn outer(bank: &Bank, runs: &Cell<u32>) -> aludel::Result<()> {
        with(|session| drop(diesel::sql_query("SELECT 1").execute(session)));
        bank.script
            .fail_before(Phase::Commit, DatabaseErrorKind::SerializationFailure, "conflict");
        bank.engine.scope(|| inner(runs))
    }

    let bank = Bank::open();
    let runs = Cell::new(0);
    bank.engine.scope(|| outer(&bank, &runs))?;
    assert_eq!((runs.get(), bank.balances()), (2, vec![490, 0]));
    bank.log.expect(&[
        "begin",
        "begin",
        "rollback",
        "rerun 2 after retry",
        "begin",
        "commit",
        "commit",
    ]);
    Ok(())
}

#[test]
fn what_stops_a_session_stops_the_one_beside_it() {
    #[transactional(requires_new)]
    fn apart(token: &CancelToken) -> aludel::Result<()> {
        token.cancel("the client has gone");
        take(10)
    }

    #[transactional]
    fn outer(token: &CancelToken) -> aludel::Result<()> {
        with(|session| drop(diesel::sql_query("SELECT 1").execute(session)));
        apart(token)
    }

    let bank = Bank::open();
    let token = bank.engine.cancel_token().child_token();
    let stopped = bank.engine.scope(|| {
        with(|session| session.set_cancel_token(token.clone()));
        outer(&token)
    });
    let stopped = stopped.unwrap_err();
    assert!(stopped.is_exit(), "{stopped}");
    assert_eq!(stopped.to_string(), "exit: the client has gone");
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn a_retry_by_hand_and_an_ambient_function() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.scope(|| {
        // The closure has the session, so the ambient function is refused; it is not run again for that.
        let runs = Cell::new(0);
        let refused = aludel::current(|session: &mut Sqlite| {
            session.retry(&RetryPolicy::new(), |_| {
                runs.set(runs.get() + 1);
                take(1)
            })
        });
        assert!(refused.unwrap_err().to_string().contains("is in use"));
        assert_eq!(runs.get(), 1);
        take(1)
    })?;
    assert_eq!(bank.balances(), [499, 0]);
    Ok(())
}
