//! Ambient functions that call ambient functions, as stories for any database.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::thread;

use aludel::prelude::*;
use aludel::{Flavour, Outcome};

use crate::gate::Meeting;
use crate::stage::{OutOfSugar, Stage, Staged};

/// Takes from an account, with the session that is there.
fn take<C: Staged>(id: i32, amount: i64) -> aludel::Result<()> {
    aludel::current(|session: &mut Session<C>| Ok(C::withdraw(session, id, amount).map(drop)?))
}

/// What the innermost of three does once it has taken 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It answers.
    Ok,
    /// It answers an error of its own.
    Refuses,
    /// A statement of its fails.
    Fails,
    /// It panics, in its body.
    PanicsInTheBody,
    /// It panics while it has the session.
    PanicsInCurrent,
    /// It panics while it reads rows.
    PanicsInRows,
    /// A value panics, in the middle of the driver's call.
    PanicsInAValue,
}

impl Turn {
    fn take<C: Staged>(self) -> aludel::Result<()> {
        let with = |f: &mut dyn FnMut(&mut Session<C>)| {
            aludel::current(|session: &mut Session<C>| {
                f(session);
                Ok(())
            })
        };
        match self {
            Self::Ok => Ok(()),
            Self::Refuses => Err(aludel::Error::other("out of stock")),
            Self::Fails => take::<C>(2, 1),
            Self::PanicsInTheBody => panic_any(OutOfSugar),
            Self::PanicsInCurrent => with(&mut |_| panic_any(OutOfSugar)),
            Self::PanicsInRows => with(&mut |session| drop(C::each_owner(session, &mut |_| panic_any(OutOfSugar)))),
            Self::PanicsInAValue => with(&mut |session| drop(C::fragile(session))),
        }
    }

    /// Whether no call to the driver is cut short, and no rows are on their way.
    fn is_idle(self) -> bool {
        matches!(self, Self::PanicsInTheBody | Self::PanicsInCurrent)
    }
}

const PANICS: [Turn; 4] = [
    Turn::PanicsInTheBody,
    Turn::PanicsInCurrent,
    Turn::PanicsInRows,
    Turn::PanicsInAValue,
];

/// Who catches the panic of the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Catcher {
    /// It catches it itself.
    Innermost,
    Middle,
    Outermost,
    /// Whoever has called the outermost.
    Caller,
}

#[transactional]
fn pay<C: Staged>(turn: Turn, catcher: Catcher) -> aludel::Result<()> {
    take::<C>(1, 100)?;
    caught(catcher == Catcher::Innermost, || turn.take::<C>())
}

#[retry]
fn order<C: Staged>(turn: Turn, catcher: Catcher) -> aludel::Result<()> {
    take::<C>(1, 10)?;
    caught(catcher == Catcher::Middle, || pay::<C>(turn, catcher))
}

#[transactional]
fn shop<C: Staged>(turn: Turn, catcher: Catcher) -> aludel::Result<()> {
    take::<C>(1, 1)?;
    caught(catcher == Catcher::Outermost, || order::<C>(turn, catcher))?;
    // Whoever has caught a panic does not look any further.
    Ok(())
}

/// Calls, and goes on after a panic of it, if this is the one who catches.
fn caught(catches: bool, call: impl FnOnce() -> aludel::Result<()>) -> aludel::Result<()> {
    if !catches {
        return call();
    }
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer,
        Err(payload) => {
            assert!(payload.is::<OutOfSugar>(), "the payload goes on unchanged");
            Ok(())
        }
    }
}

/// One scope, in which the chain is called, and once more when that went wrong.
fn tell<C: Staged>(stage: &Stage<C>, turn: Turn, catcher: Catcher) -> aludel::Result<()> {
    stage.engine.scope(|| {
        let answer = caught(catcher == Catcher::Caller, || shop::<C>(turn, catcher));
        if answer.is_err() || turn != Turn::Ok {
            aludel::current(|session: &mut Session<C>| {
                assert!(!session.in_transaction(), "the outermost has ended it");
                Ok(())
            })?;
            stage.log.push("and again");
            shop::<C>(Turn::Ok, catcher)?;
        }
        answer
    })
}

/// Three deep is one transaction, and what the innermost answers decides about all of it; the session goes on.
///
/// # Errors
///
/// None that the story expects.
pub fn three_deep_is_one_transaction<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("ambient");
    tell(&stage, Turn::Ok, Catcher::Caller)?;
    stage.log.expect(&["begin", "commit"]);
    assert_eq!(stage.balances(), [389, 0]);

    let refused = tell(&stage, Turn::Refuses, Catcher::Caller).unwrap_err();
    assert_eq!(refused.to_string(), "out of stock [rolled back, nothing was written]");
    stage.log.expect(&["begin", "rollback", "and again", "begin", "commit"]);
    assert_eq!(stage.balances(), [278, 0]);

    let failed = tell(&stage, Turn::Fails, Catcher::Caller).unwrap_err();
    assert_eq!(failed.outcome(), Some(Outcome::RolledBack), "{failed}");
    assert!(failed.as_diesel().is_some(), "the driver's own error: {failed:?}");
    assert_eq!(stage.times("commit"), 1, "only the one afterwards: {:?}", stage.log);
    assert_eq!(stage.balances(), [167, 0]);
    stage.assert_whole();
    Ok(())
}

/// A panic in the innermost of three, wherever it is, whoever catches it, and with both ways of dealing with its connection:
/// nothing of it is committed, nobody has the session afterwards, and it goes on.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_in_the_innermost_of_three<C: Staged>() -> aludel::Result<()> {
    for on_exit in [OnExit::Invalidate, OnExit::RollbackIfIdle] {
        let stage = Stage::<C>::open_with("ambient_panics", |builder| builder.on_exit(on_exit));
        let mut balance = 500;
        for turn in PANICS {
            for catcher in [Catcher::Innermost, Catcher::Middle, Catcher::Outermost, Catcher::Caller] {
                if balance < 200 {
                    stage
                        .outside()
                        .batch_execute("UPDATE accounts SET balance = 500 WHERE id = 1")?;
                    balance = 500;
                }
                let case = format!("{turn:?}, caught by the {catcher:?}, {on_exit:?}");
                let closed = stage.engine.pool().closed();
                let answer = tell(&stage, turn, catcher);
                // What somebody catches in his own body before it has met anything of ours is nobody's business.
                let unseen = (turn, catcher) == (Turn::PanicsInTheBody, Catcher::Innermost);
                match (answer, catcher) {
                    (Ok(()), Catcher::Caller) => {}
                    (Ok(()), _) => assert!(unseen, "{case}"),
                    (Err(error), _) => {
                        assert!(error.is_doomed() && !error.is_retryable() && !unseen, "{case}: {error}");
                        assert!(error.to_string().contains("a panic interrupted"), "{case}: {error}");
                        assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{case}: {error}");
                    }
                }
                balance -= if unseen { 222 } else { 111 };
                let kept = unseen || (on_exit == OnExit::RollbackIfIdle && turn.is_idle());
                let expected: &[&str] = match (unseen, kept) {
                    (true, _) => &["begin", "commit", "and again", "begin", "commit"],
                    (_, true) => &["begin", "doomed", "rollback", "and again", "begin", "commit"],
                    (_, false) => &[
                        "begin",
                        "invalidate",
                        "doomed",
                        "rollback",
                        "and again",
                        "begin",
                        "commit",
                    ],
                };
                assert_eq!(stage.log.take(), expected, "{case}");
                assert_eq!(stage.engine.pool().closed() - closed, u64::from(!kept), "{case}");
                assert_eq!(stage.balances(), [balance, 0], "{case}");
                stage.assert_whole();
                stage.log.clear();
            }
        }
    }
    Ok(())
}

#[transactional(requires_new)]
fn audit<C: Staged>() -> aludel::Result<()> {
    take::<C>(1, 7)?;
    // The innermost scope is that of the new session now, for whoever is called from here.
    joined::<C>()
}

#[transactional(mandatory)]
fn joined<C: Staged>() -> aludel::Result<()> {
    take::<C>(1, 3)
}

/// A function that wants a transaction of its own has it on a connection of its own: it is there before the one around it has
/// ended, and stays when that is rolled back.
///
/// # Errors
///
/// None that the story expects.
pub fn requires_new_is_seen_before_the_outer_one_ends<C: Staged>() -> aludel::Result<()> {
    #[transactional]
    fn outer<C: Staged>(stage: &Stage<C>) -> aludel::Result<()> {
        aludel::current(|session: &mut Session<C>| Ok(C::execute(session, "SELECT 1").map(drop)?))?;
        audit::<C>()?;
        assert_eq!(stage.balances(), [490, 0], "seen from another connection");
        take::<C>(1, 100)?;
        assert_eq!(stage.balances(), [490, 0], "and this is not");
        Err(aludel::Error::other("no"))
    }

    let stage = Stage::<C>::open("ambient_requires_new");
    let refused = stage.engine.scope(|| outer(&stage)).unwrap_err();
    assert_eq!(refused.to_string(), "no [rolled back, nothing was written]");
    stage.log.expect(&["begin", "begin", "commit", "rollback"]);
    assert_eq!(stage.balances(), [490, 0]);
    stage.assert_whole();
    Ok(())
}

/// What two threads do to each other, each in a scope of its own.
struct Crossing<'a> {
    meeting: &'a Meeting,
    first: i32,
    second: i32,
    attempts: &'a Cell<u32>,
}

/// Takes the first row, or on a database without row locks only looks at it.
#[retry(attempts = 5, deadline = "60s")]
fn begins<C: Staged>(crossing: &Crossing<'_>) -> aludel::Result<()> {
    crossing.attempts.set(crossing.attempts.get() + 1);
    if C::FLAVOUR == Flavour::Sqlite {
        aludel::current(|session: &mut Session<C>| Ok(C::execute(session, "SELECT id FROM accounts").map(drop)?))?;
    } else {
        take::<C>(crossing.first, 1)?;
    }
    goes_on::<C>(crossing)
}

#[transactional]
fn goes_on<C: Staged>(crossing: &Crossing<'_>) -> aludel::Result<()> {
    if crossing.attempts.get() == 1 {
        crossing.meeting.meet();
    }
    crosses::<C>(crossing)
}

#[retry]
fn crosses<C: Staged>(crossing: &Crossing<'_>) -> aludel::Result<()> {
    take::<C>(crossing.second, 1)
}

/// Two chains that want each other's row: the innermost of one is told of the conflict, and its outermost runs all of it again.
///
/// # Errors
///
/// None that the story expects.
pub fn a_conflict_runs_the_whole_chain_again<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("ambient_conflict");
    stage.outside().batch_execute("UPDATE accounts SET balance = 500")?;
    let meeting = Meeting::new("both have begun", 2);
    let run = |first, second| {
        let attempts = Cell::new(0);
        let (meeting, attempts) = (&meeting, &attempts);
        let crossing = Crossing {
            meeting,
            first,
            second,
            attempts,
        };
        stage
            .engine
            .scope(|| begins::<C>(&crossing))
            .expect("one of the attempts is let through");
        attempts.get()
    };
    let attempts: u32 = thread::scope(|threads| {
        let other = threads.spawn(|| run(2, 1));
        run(1, 2) + other.join().expect("it does not panic")
    });
    // Who was the victim may be it once more, where it is faster than the other one.
    let reruns = stage
        .log
        .snapshot()
        .iter()
        .filter(|line| line.starts_with("rerun "))
        .count();
    assert!(reruns >= 1, "{:?}", stage.log);
    assert_eq!(
        (attempts as usize, stage.times("rollback")),
        (2 + reruns, reruns),
        "{:?}",
        stage.log
    );
    assert_eq!(
        (stage.times("commit"), stage.times("invalidate")),
        (2, 0),
        "{:?}",
        stage.log
    );
    let taken = if C::FLAVOUR == Flavour::Sqlite { 499 } else { 498 };
    assert_eq!(stage.balances(), [taken, taken]);
    stage.assert_whole();
    Ok(())
}

/// What the innermost of a chain does to its own connection, the first time.
struct Killer<'a, C: Staged> {
    stage: &'a Stage<C>,
    runs: RefCell<Vec<&'static str>>,
}

impl<C: Staged> Killer<'_, C> {
    fn strike(&self) -> aludel::Result<()> {
        let first = self.runs.borrow().iter().filter(|name| **name == "innermost").count() == 1;
        if !first {
            return Ok(());
        }
        let id = aludel::current(|session: &mut Session<C>| session.backend_id())?;
        match (C::FLAVOUR, id) {
            (Flavour::MySql, Some(id)) => self.stage.outside().batch_execute(&format!("KILL {id}"))?,
            (Flavour::PostgreSql, Some(id)) => {
                let sql = format!("SELECT pg_terminate_backend({id}, 60000)");
                self.stage.outside().batch_execute(&sql)?;
            }
            // There is no server that could be told to.
            _ => self.stage.script.fail_before(
                aludel::Phase::Statement,
                diesel::result::DatabaseErrorKind::ClosedConnection,
                "gone",
            ),
        }
        Ok(())
    }
}

#[retry]
fn outermost<C: Staged>(killer: &Killer<'_, C>) -> aludel::Result<()> {
    killer.runs.borrow_mut().push("outermost");
    take::<C>(1, 1)?;
    middle(killer)
}

#[transactional]
fn middle<C: Staged>(killer: &Killer<'_, C>) -> aludel::Result<()> {
    killer.runs.borrow_mut().push("middle");
    take::<C>(1, 10)?;
    innermost(killer)
}

#[retry]
fn innermost<C: Staged>(killer: &Killer<'_, C>) -> aludel::Result<()> {
    killer.runs.borrow_mut().push("innermost");
    killer.strike()?;
    take::<C>(1, 100)
}

/// A connection that is killed in the innermost of three costs the chain one more run, of all of it.
///
/// # Errors
///
/// None that the story expects.
pub fn a_killed_connection_runs_the_whole_chain_again<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("ambient_killed");
    let killer = Killer {
        stage: &stage,
        runs: RefCell::default(),
    };
    stage.engine.scope(|| outermost(&killer))?;
    let chain = ["outermost", "middle", "innermost"];
    assert_eq!(*killer.runs.borrow(), [chain, chain].concat());
    assert_eq!(
        (stage.times("rerun 2 after disconnect"), stage.times("commit")),
        (1, 1),
        "{:?}",
        stage.log
    );
    assert_eq!(stage.balances(), [389, 0]);
    stage.assert_whole();
    Ok(())
}

/// Every story of this module, on one database.
#[macro_export]
macro_rules! ambient_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::ambient,
            [
                three_deep_is_one_transaction,
                a_panic_in_the_innermost_of_three,
                requires_new_is_seen_before_the_outer_one_ends,
                a_conflict_runs_the_whole_chain_again,
                a_killed_connection_runs_the_whole_chain_again,
            ]
        );
    };
}
