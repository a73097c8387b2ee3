//! Failures that are not played: locks, conflicts and killed connections, as the databases themselves make them.

use std::cell::RefCell;
use std::thread;

use aludel::prelude::*;
use aludel::{Flavour, Phase};
use diesel::connection::SimpleConnection as _;

use super::databases::Grounds;
use super::diary::Diary;
use super::ground::Ground;
use super::told::write;
use crate::Meeting;
use crate::wire::rules::{Again, Step};

/// Waits for no lock.
fn impatience<C: Grounds>() -> &'static str {
    match C::FLAVOUR {
        Flavour::MySql => "SET SESSION innodb_lock_wait_timeout = 0",
        Flavour::PostgreSql => "SET LOCAL lock_timeout = '50ms'",
        _ => "PRAGMA busy_timeout = 1",
    }
}

/// Somebody has the lock in the first run, and lets it go once that has failed.
///
/// # Panics
///
/// If it is not so.
pub fn a_lock_that_is_not_had_in_time<C: Grounds>() {
    #[retry(attempts = 3)]
    fn waits<C: Grounds>(
        session: &mut Session<C>,
        diary: &Diary<'_, C>,
        holder: &RefCell<Option<aludel::pool::Checkout<C>>>,
    ) -> aludel::Result<()> {
        diary.begins();
        session.batch_execute(impatience::<C>())?;
        let locked = diary.step(session, 1).and_then(|()| {
            let update = session.batch_execute("UPDATE locks SET n = n + 1 WHERE id = 1");
            Ok(update?)
        });
        if let Some(mut holder) = holder.take() {
            assert!(locked.is_err(), "somebody has it");
            holder.batch_execute("ROLLBACK")?;
        }
        locked
    }
    let ground = Ground::<C>::open("lock");
    let mut holder = ground.outside();
    for sql in ["BEGIN", "UPDATE locks SET n = n + 1 WHERE id = 1"] {
        holder.batch_execute(sql).expect("nobody else has it");
    }
    let scene = ground.scene();
    let diary = Diary::new(&scene);
    waits(&mut scene.engine.session(), &diary, &RefCell::new(Some(holder))).expect("the second run has it");
    assert_eq!(diary.runs(), 2);
    let told = scene.end_by_the_rules(|_| Again::Known);
    // The whole file of SQLite is locked, so the first step fails there already.
    let first = if C::FLAVOUR == Flavour::Sqlite {
        "step 1 !"
    } else {
        "step 1"
    };
    let expected = ["BEGIN", first, "ROLLBACK", "BEGIN", "step 1", "COMMIT"];
    assert_eq!(told.said(), expected, "{told}");
}

/// A serialization failure of each database's own kind: what was read is not what is there any more when it is changed.
///
/// # Panics
///
/// If it is not so.
pub fn a_row_that_somebody_else_has_changed<C: Grounds>() {
    const CHANGE: &str = "UPDATE locks SET n = n + 1 WHERE id = 1";
    #[retry(attempts = 3)]
    fn changes<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, ground: &Ground<C>) -> aludel::Result<()> {
        diary.begins();
        C::look(session)?;
        if diary.runs() == 1 {
            ground.outside().batch_execute(CHANGE)?;
        }
        session.batch_execute(CHANGE)?;
        diary.step(session, 1)
    }
    let ground = Ground::<C>::open("changed");
    if C::FLAVOUR == Flavour::Sqlite {
        // So that the one who reads is in nobody's way.
        let mut outside = ground.outside();
        outside
            .batch_execute("PRAGMA journal_mode = WAL")
            .expect("it is a file");
    }
    let scene = ground.scene_with(|builder| match C::FLAVOUR {
        Flavour::Sqlite => builder,
        _ => builder
            .isolation_level(IsolationLevel::RepeatableRead)
            .on_connect(|raw: &mut C, _| {
                if C::FLAVOUR == Flavour::MySql {
                    raw.batch_execute("SET SESSION innodb_snapshot_isolation = ON")?;
                }
                Ok(())
            }),
    });
    let diary = Diary::new(&scene);
    changes(&mut scene.engine.session(), &diary, &ground).expect("the second run is alone");
    assert_eq!(diary.runs(), 2);
    let told = scene.end_by_the_rules(|_| Again::Known);
    let expected = ["BEGIN", "ROLLBACK", "BEGIN", "step 1", "COMMIT"];
    assert_eq!(told.said(), expected, "{told}");
}

/// Two functions that want each other's row: one of them is the victim, and runs again.
///
/// # Panics
///
/// If it is not so.
pub fn a_deadlock_of_two<C: Grounds>() {
    #[retry(attempts = 5, rerun_sees(runs))]
    fn crosses<C: Grounds>(
        session: &mut Session<C>,
        [first, second]: [u32; 2],
        meeting: &Meeting,
        runs: &mut u32,
    ) -> aludel::Result<()> {
        *runs += 1;
        let mut step = |number: u32, row: u32| {
            let (call, run) = (first, *runs);
            write(session, Step { call, run, number }, true)?;
            session.batch_execute(&format!("UPDATE locks SET n = n + 1 WHERE id = {row}"))
        };
        step(1, first)?;
        if *runs == 1 {
            meeting.meet();
        }
        Ok(step(2, second)?)
    }
    let ground = Ground::<C>::open("deadlock");
    let scene = ground.scene();
    let meeting = Meeting::new("both hold their first row", 2);
    let runs: u32 = thread::scope(|threads| {
        let crossing = |rows: [u32; 2]| {
            let (engine, meeting) = (scene.engine.clone(), &meeting);
            threads.spawn(move || {
                let mut runs = 0;
                crosses(&mut engine.session(), rows, meeting, &mut runs).expect("in the end both are done");
                runs
            })
        };
        let both = [crossing([1, 2]), crossing([2, 1])];
        both.map(|thread| thread.join().expect("it does not panic"))
            .iter()
            .sum()
    });
    assert_eq!(runs, 3, "one of them was the victim, once");
    let told = scene.end_by_the_rules(|_| Again::Known);
    assert_eq!(told.committed(), 4, "{told}");
}

/// The connection is killed on the server: before a statement, a savepoint's end and another one's beginning the function
/// runs again; before COMMIT nobody knows, and it does not.
///
/// # Panics
///
/// If it is not so.
pub fn a_connection_that_is_killed<C: Grounds>() {
    #[retry(attempts = 3)]
    fn survives<C: Grounds>(
        session: &mut Session<C>,
        diary: &Diary<'_, C>,
        killed: Option<Phase>,
    ) -> aludel::Result<()> {
        diary.begins();
        let backend = session.backend_id()?.expect("a server's connection has a number");
        let killed = killed.filter(|_| diary.runs() == 1);
        let kill = |phase: Phase| {
            if killed == Some(phase) {
                C::kill(backend);
            }
        };
        diary.step(session, 1)?;
        kill(Phase::Savepoint);
        session.begin_nested(|nested| {
            kill(Phase::Statement);
            diary.step(nested, 2)?;
            kill(Phase::Release);
            Ok(())
        })?;
        if killed == Some(Phase::Commit) {
            diary.scene.before_commit(move || C::kill(backend));
        }
        Ok(())
    }
    let ground = Ground::<C>::open("killed");
    for phase in [Phase::Savepoint, Phase::Statement, Phase::Release, Phase::Commit] {
        let scene = ground.scene();
        let diary = Diary::new(&scene);
        let result = survives(&mut scene.engine.session(), &diary, Some(phase));
        let runs = diary.runs();
        let told = scene.end_by_the_rules(|_| Again::Known);
        let case = format!("{phase:?}: {result:?}\n{told}");
        if phase == Phase::Commit {
            assert!(result.is_err_and(|error| error.is_commit_unknown()), "{case}");
            assert_eq!((runs, told.committed()), (1, 0), "{case}");
        } else {
            assert!(result.is_ok(), "{case}");
            assert_eq!((runs, told.committed()), (2, 2), "{case}");
        }
    }
}
