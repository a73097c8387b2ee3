//! Calls with one key that meet.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::{Dialect, Flavour, RetryPolicy};
use diesel::connection::SimpleConnection as _;

use super::{CHARGE, charge, kept};
use crate::verify::Scene;
use crate::{Gate, Meeting, poll};

const PATIENCE: Duration = Duration::from_mins(1);

/// Until somebody waits for the key. `SQLite` has nobody to ask.
fn until_somebody_waits<C: Dialect>(scene: &Scene<C>) {
    let waiting = match C::FLAVOUR {
        Flavour::MySql => {
            "SELECT COUNT(*) AS value FROM information_schema.processlist \
             WHERE db = DATABASE() AND info LIKE 'INSERT INTO aludel_results%'"
        }
        Flavour::PostgreSql => {
            "SELECT COUNT(*) AS value FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO aludel_results%'"
        }
        _ => return,
    };
    poll::until("the second call waits for the first", PATIENCE, || {
        (scene.ask(waiting) == 1).then_some(())
    });
}

fn one_waits_for_another<C: Dialect>(scene: &Scene<C>, commits: bool) {
    scene.engine.create_result_table().expect("it may be made");
    let runs = AtomicU32::new(0);
    let (written, calls) = (
        Gate::new("the first has written"),
        Gate::new("the second is about to call"),
    );
    thread::scope(|threads| {
        threads.spawn(|| {
            let first = scene.stranger().begin(|session| {
                charge(session, 1, &runs)?;
                written.pass();
                calls.wait();
                until_somebody_waits(scene);
                if commits {
                    Ok(())
                } else {
                    Err(aludel::Error::other("no"))
                }
            });
            assert_eq!(first.is_ok(), commits, "{first:?}");
        });
        written.wait();
        calls.pass();
        let run = charge(&mut scene.engine.session(), 1, &runs).expect("the first comes to an end");
        assert_eq!(run, if commits { 1 } else { 2 });
    });
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// Whatever is in flight is waited for.
///
/// # Panics
///
/// If it is not so.
pub fn a_second_call_waits_for_the_first_and_is_answered_its_result<C: Dialect>(scene: &Scene<C>) {
    one_waits_for_another(scene, true);
}

/// What was rolled back has not happened.
///
/// # Panics
///
/// If it is not so.
pub fn a_second_call_waits_for_the_first_and_runs_where_it_was_rolled_back<C: Dialect>(scene: &Scene<C>) {
    one_waits_for_another(scene, false);
}

/// Four programs, none of which has seen the table, and one key.
///
/// # Panics
///
/// If it is not so.
pub fn many_at_once_with_one_key_charge_once_and_make_one_table<C: Dialect>(scene: &Scene<C>) {
    let (start, runs) = (Meeting::new("all programs", 4), AtomicU32::new(0));
    let once = |session: &mut Session<C>| {
        session.once("order-1", |session| {
            session.batch_execute(CHARGE)?;
            Ok(runs.fetch_add(1, Ordering::Relaxed))
        })
    };
    let program = |reruns: bool| {
        let engine = scene.stranger();
        let mut session = engine.session();
        start.meet();
        let answered = if reruns {
            session.retry(&RetryPolicy::new().attempts(20), once)
        } else {
            once(&mut session)
        };
        answered.expect("one of them makes the table, and one of them charges")
    };
    let program = &program;
    thread::scope(|threads| {
        let programs = [true, false, true, false];
        let programs: Vec<_> = programs.map(|reruns| threads.spawn(move || program(reruns))).into();
        let mut answers: Vec<_> = programs
            .into_iter()
            .map(|program| program.join().expect("it does not panic"))
            .collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "all are answered what one has kept");
    });
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// A transaction that has read before another one with the same key was committed does not see its row, and does not take it
/// for missing: it is answered, or runs again on a new snapshot. For databases whose readers do not keep others from writing.
///
/// # Panics
///
/// If it is not so.
pub fn an_old_snapshot_is_no_reason_to_run_again<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_result_table().expect("it may be made");
    let (policy, runs) = (
        RetryPolicy::new().isolation_level(IsolationLevel::RepeatableRead),
        AtomicU32::new(0),
    );
    let mut attempts = 0;
    let answered = scene.engine.session().retry(&policy, |session| {
        attempts += 1;
        session.batch_execute("SELECT * FROM aludel_results")?;
        if attempts == 1 {
            charge(&mut scene.stranger().session(), 1, &runs)?;
        }
        charge(session, 1, &runs)
    });
    assert_eq!(answered.expect("it was done"), 1);
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}
