//! Retries that wait for a host that is down: one story for any database, and one for servers that are killed.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use aludel::{Event, Phase, RetryBudget, RetryEnd, RetryPolicy, RetryReport};
use diesel::connection::SimpleConnection as _;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::reconnecting::servers::Server;
use crate::stage::{Stage, Staged};
use crate::{gate, poll};

const GONE: &str = "server closed the connection unexpectedly";

/// Longer than any test.
const PATIENT: RetryPolicy = RetryPolicy::new().attempts(1).deadline(Duration::from_hours(1));

/// By the name of its thread, how often each caller has tried to connect.
#[derive(Clone, Default)]
struct Tries(Arc<Mutex<BTreeMap<String, usize>>>);

impl Tries {
    fn note(&self) {
        let name = thread::current().name().unwrap_or("main").to_owned();
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }

    fn snapshot(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap().clone()
    }

    /// Everybody has tried once, and somebody many times more.
    fn until_somebody_goes_on(&self, callers: usize) -> BTreeMap<String, usize> {
        poll::until("everybody has tried, and one goes on", gate::PATIENCE, || {
            let tries = self.snapshot();
            let all: usize = tries.values().sum();
            (tries.len() == callers && all >= callers + 20).then_some(tries)
        })
    }
}

/// Who tries, of whom all others have tried once.
#[track_caller]
fn prober(tries: &BTreeMap<String, usize>) -> String {
    let many: Vec<_> = tries.iter().filter(|(_, times)| **times > 1).collect();
    assert_eq!(many.len(), 1, "one tries, and the others wait: {tries:?}");
    many[0].0.clone()
}

/// A bank whose host is down for as long as somebody says so, on a clock that only a prober moves.
struct Outage<C: Staged> {
    stage: Stage<C>,
    down: Arc<AtomicBool>,
    tries: Tries,
    reports: Arc<Mutex<Vec<RetryReport>>>,
    time: TestClock,
}

impl<C: Staged> Outage<C> {
    fn new(name: &str) -> Self {
        let (clock, time) = Clock::test();
        let (down, tries) = (Arc::new(AtomicBool::new(true)), Tries::default());
        let reports = Arc::new(Mutex::new(Vec::new()));
        let (is_down, tried, told) = (Arc::clone(&down), tries.clone(), Arc::clone(&reports));
        let stage = Stage::open_with(name, |builder| {
            builder
                .clock(clock)
                .retry_budget(RetryBudget::tokens(0))
                // It may run on a thread of the pool's; a listener hears of it on the caller's.
                .on_connect(move |_, _| {
                    if !is_down.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let words = Box::new(GONE.to_owned());
                    Err(DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, words).into())
                })
                .listen(move |event| match event {
                    Event::ConnectFailed { .. } => tried.note(),
                    Event::RetryEnded { report, .. } => told.lock().unwrap().push((*report).clone()),
                    _ => {}
                })
        });
        Self {
            stage,
            down,
            tries,
            reports,
            time,
        }
    }

    /// Withdraws a coin on a thread of its own.
    fn caller(&self, name: &str, token: CancelToken) -> JoinHandle<aludel::Result<usize>> {
        let engine = self.stage.engine.clone();
        let pay = move || {
            let mut session = engine.session();
            session.set_cancel_token(token);
            session.retry(&PATIENT, |session| Ok(C::withdraw(session, 1, 1)?))
        };
        thread::Builder::new().name(name.to_owned()).spawn(pay).unwrap()
    }
}

/// One goes on trying, four wait; as soon as it gets through all of them do. It costs none of them an attempt, nor a token of
/// the engine's, which has none.
///
/// # Errors
///
/// None that the story expects.
pub fn of_many_who_wait_one_tries_and_wakes_them<C: Staged>() -> aludel::Result<()> {
    let outage = Outage::<C>::new("one_tries");
    let callers: Vec<_> = (0..5)
        .map(|number| outage.caller(&format!("caller {number}"), CancelToken::new()))
        .collect();
    prober(&outage.tries.until_somebody_goes_on(5));
    let pauses = outage.time.slept();
    outage.down.store(false, Ordering::Relaxed);
    for caller in callers {
        assert_eq!(caller.join().unwrap()?, 1);
    }
    prober(&outage.tries.snapshot());
    let quick = |pause: &Duration| *pause >= Duration::from_millis(12) && *pause <= Duration::from_millis(25);
    assert!(pauses.iter().take(100).all(quick), "{pauses:?}");
    assert_eq!(outage.stage.balances(), [495, 0]);
    let reports = outage.reports.lock().unwrap();
    assert_eq!(reports.len(), 5);
    for report in reports.iter() {
        assert_eq!((report.attempts(), report.end()), (1, RetryEnd::Succeeded));
        assert_eq!(report.waited_for_host(), report.slept());
    }
    // (Who came last may have waited for no time at all, as this clock goes.)
    assert!(reports.iter().any(|report| report.slept() >= pauses.iter().sum()));
    outage.stage.assert_whole();
    Ok(())
}

/// Somebody tells the prober to stop, and another one takes its role.
///
/// # Errors
///
/// None that the story expects.
pub fn a_prober_that_is_stopped_hands_its_role_on<C: Staged>() -> aludel::Result<()> {
    let outage = Outage::<C>::new("handed_on");
    let tokens: Vec<_> = (0..3).map(|_| CancelToken::new()).collect();
    let mut callers: Vec<_> = (0..3_usize)
        .map(|number| Some(outage.caller(&number.to_string(), tokens[number].clone())))
        .collect();
    let first: usize = prober(&outage.tries.until_somebody_goes_on(3)).parse().unwrap();
    tokens[first].cancel("shutting down");
    let stopped = callers[first].take().unwrap().join().unwrap();
    assert!(stopped.unwrap_err().is_exit());
    let second = poll::until("another one tries", gate::PATIENCE, || {
        let tries = outage.tries.snapshot();
        let other = |name: &String| *name != first.to_string() && tries[name] > 20;
        tries.keys().find(|name| other(name)).cloned()
    });
    let waits = (0..3)
        .find(|number| *number != first && number.to_string() != second)
        .unwrap();
    assert_eq!(outage.tries.snapshot()[&waits.to_string()], 1);
    // One that waits can be stopped as well.
    tokens[waits].cancel("shutting down");
    let stopped = callers[waits].take().unwrap().join().unwrap();
    assert!(stopped.unwrap_err().is_exit());
    outage.down.store(false, Ordering::Relaxed);
    for caller in callers.into_iter().flatten() {
        assert_eq!(caller.join().unwrap()?, 1);
    }
    assert_eq!(outage.stage.balances(), [499, 0]);
    outage.stage.assert_whole();
    Ok(())
}

/// BEGIN fails as well as connecting: the host is waited for until the deadline, and the error says what was wrong with it.
///
/// # Errors
///
/// None that the story expects.
pub fn a_host_that_stays_down_is_an_error_at_the_deadline<C: Staged>() -> aludel::Result<()> {
    let (clock, time) = Clock::test();
    let stage = Stage::<C>::open_with("stays_down", |builder| builder.clock(clock));
    for _ in 0..10_000 {
        stage
            .script
            .fail_before(Phase::Begin, DatabaseErrorKind::ClosedConnection, GONE);
    }
    let policy = RetryPolicy::new().attempts(2).deadline(Duration::from_secs(30));
    let error = stage.engine.session().retry(&policy, |_| Ok(())).unwrap_err();
    let report = error.retry_report().unwrap();
    assert_eq!(
        (report.attempts(), report.end()),
        (1, RetryEnd::Deadline(Duration::from_secs(30)))
    );
    let slept = time.slept();
    assert_eq!(slept.iter().sum::<Duration>(), report.waited_for_host());
    assert!(slept.iter().all(|pause| *pause <= Duration::from_secs(1)));
    assert!(
        *slept.last().unwrap() > Duration::from_millis(400),
        "after a while it asks more seldom"
    );
    assert_eq!(
        report.failures().len(),
        1,
        "the same words again and again are one line"
    );
    assert_eq!(report.failures()[0].times(), slept.len() as u64 + 1);
    let text = error.to_string();
    assert!(
        text.contains("its deadline of 30s has come") && text.contains("for the server to come back"),
        "{text}"
    );
    Ok(())
}

/// Two callers of a server that was killed: one of them connects again and again, the other one waits, and both go on when it
/// is back.
///
/// # Panics
///
/// If it is not so.
pub fn two_wait_for_a_killed_server_and_one_tries<C: Staged>(server: &impl Server) {
    let database = server.database("two_wait");
    let refused = Tries::default();
    let tried = refused.clone();
    let stage = Stage::<C>::at(database.url(), |builder| {
        builder.listen(move |event| {
            if let Event::ConnectFailed { .. } = event {
                tried.note();
            }
        })
    });
    let warm = |session: &mut Session<C>| Ok(session.batch_execute("SELECT 1")?);
    stage.engine.begin(warm).unwrap();
    server.kill_9();
    let callers: Vec<_> = (0..2)
        .map(|number| {
            let engine = stage.engine.clone();
            let pay = move || {
                engine
                    .session()
                    .retry(&PATIENT, |session| Ok(C::withdraw(session, 1, 1)?))
            };
            thread::Builder::new()
                .name(format!("caller {number}"))
                .spawn(pay)
                .unwrap()
        })
        .collect();
    let prober_then = prober(&refused.until_somebody_goes_on(2));
    server.start();
    for caller in callers {
        assert_eq!(caller.join().unwrap().expect("the server is back"), 1);
    }
    assert_eq!(prober(&refused.snapshot()), prober_then);
    assert_eq!(C::balances(&mut stage.engine.raw_connection().unwrap()), [498, 0]);
    assert_eq!(stage.engine.pool().checkedout(), 0);
    stage.engine.pool().assert_invariants();
}

/// The stories that need no server to be killed, as tests of a binary.
#[macro_export]
macro_rules! waiting_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::waiting,
            [
                of_many_who_wait_one_tries_and_wakes_them,
                a_prober_that_is_stopped_hands_its_role_on,
                a_host_that_stays_down_is_an_error_at_the_deadline,
            ]
        );
    };
}
