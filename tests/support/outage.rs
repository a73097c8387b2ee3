//! What a pool does while its server is stopped or restarted: one story, told on each server.
//!
//! The server must be a private one, since it is frozen and shut down.

use std::error::Error as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use aludel::event::Step;
use aludel::pool::{Holder, PoolError, PrePing};
use aludel::prelude::*;
use aludel::{Dialect, EngineBuilder, ErrorKind, Event, RetryPolicy};

use diesel::connection::SimpleConnection as _;

use crate::{EventLog, Meeting, TestDatabase, poll};

/// How many threads check out at once.
pub const CROWD: u32 = 16;

/// What each of them is ready to wait. Long, so that a tenth of it is more than what a busy machine adds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What a call may take: a tenth more than was asked for, and half a second in which a thread whose time has come may wait
/// for a core. (Helper threads of sixteen callers start at the same moment, beside whatever else the machine does.)
const ALLOWED: Duration = Duration::from_millis(3_300 + 500);

/// How long a server that goes on may take to answer what it was asked while it stood still.
const RECOVERY: Duration = Duration::from_mins(1);

/// A server that can be stopped.
pub trait Server {
    /// A database of its own.
    fn database(&self, name: &str) -> TestDatabase;
    /// Nobody answers, and connections stay open.
    fn freeze(&self);
    /// It goes on.
    fn thaw(&self);
    /// Shut down and started again on the same port.
    fn restart(&self);
}

/// What sixteen threads meet.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Connections that there may be.
    pub limit: usize,
    /// Of these, how many are idle when the server stops.
    pub idle: usize,
}

/// How one thread fared.
struct Fate {
    outcome: aludel::Result<()>,
    took: Duration,
}

/// An engine on a server of the test's own.
struct Outage<C: Dialect> {
    engine: Engine<C>,
    log: EventLog,
}

impl<C: Dialect + 'static> Outage<C> {
    fn new(server: &dyn Server, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let log = EventLog::new();
        let database = server.database("outage");
        let builder = Engine::<C>::builder(database.url())
            .pool_timeout(TIMEOUT)
            .listen(pool_only(&log));
        let engine = options(builder).build().expect("the options fit together");
        Self { engine, log }
    }

    /// That many connections are made, and come back.
    #[track_caller]
    fn fill(&self, connections: usize) {
        let held: Vec<_> = (0..connections)
            .map(|_| self.engine.raw_connection().expect("the server answers"))
            .collect();
        drop(held);
        assert_eq!(self.engine.pool().checkedin(), connections);
        self.log.take();
    }

    fn times(&self, line: &str) -> usize {
        self.log.snapshot().iter().filter(|event| *event == line).count()
    }
}

/// The server stands still while sixteen threads check out: all of them return in time, and once it goes on nothing is
/// lost.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn every_call_returns_within_its_timeout<C: Dialect + 'static>(server: &dyn Server, crowd: Crowd) {
    let outage = Outage::<C>::new(server, |builder| {
        builder
            .pool_size(crowd.limit)
            .max_overflow(0)
            .pool_pre_ping(PrePing::Always)
    });
    outage.fill(crowd.idle);
    let pool = outage.engine.pool();
    let opened_before = pool.opened();

    server.freeze();
    let fates = check_out_at_once(&outage.engine);
    let left_behind = crowd.limit.min(CROWD as usize);
    let pings = crowd.idle.min(left_behind);
    tell_of_fates(&fates, pings, left_behind - pings);
    assert_eq!(outage.times("left behind"), left_behind, "{:?}", outage.log);
    assert_eq!(outage.times("caught up"), 0);
    let holders = pool.holders();
    assert_eq!(holders.len(), left_behind);
    assert!(
        holders.iter().all(|holder| holder.left_behind && is_told(holder)),
        "{holders:?}"
    );

    if left_behind == crowd.limit {
        let late = outage.engine.pool().checkout_within(Duration::ZERO).map(drop);
        tell_of_a_full_house(late.expect_err("every place is taken").into());
    }

    server.thaw();
    poll::until("every call that was left behind has ended", RECOVERY, || {
        (pool.checkedout() == 0).then_some(())
    });
    assert_eq!(outage.times("caught up"), left_behind);
    pool.assert_invariants();
    let status = pool.status();
    assert_eq!(
        status.opened - status.closed,
        u64::try_from(status.checked_in).expect("a few")
    );
    assert_eq!(
        (status.opened - opened_before, status.closed),
        ((left_behind - pings) as u64, 0),
        "a server that answers late has answered"
    );
    assert_eq!(status.checked_in, left_behind);
    everybody_finds_one(&outage.engine, crowd.limit);
}

/// A transaction that finds nobody to begin with waits for the server, first at its own connect, then behind those that
/// were left behind, and uses up time but no attempt.
///
/// # Panics
///
/// If it is not so.
pub fn a_rerun_waits_for_a_stopped_server<C: Dialect + 'static>(server: &dyn Server) {
    let outage = Outage::<C>::new(server, |builder| {
        builder
            .pool_size(2)
            .max_overflow(0)
            .pool_timeout(Duration::from_millis(200))
    });
    server.freeze();
    thread::scope(|threads| {
        let transaction = threads.spawn(|| {
            let policy = RetryPolicy::new().attempts(2).deadline(RECOVERY);
            outage
                .engine
                .session()
                .retry(&policy, |session| Ok(session.batch_execute("SELECT 1")?))
        });
        poll::until("every place is taken and still it goes on", RECOVERY, || {
            (outage.times("pool timeout") >= 2).then_some(())
        });
        assert_eq!(outage.times("left behind"), 2);
        server.thaw();
        transaction
            .join()
            .expect("no panic")
            .expect("the server is back before the deadline");
    });
    outage.engine.pool().assert_invariants();
}

/// Starts the crowd and collects what becomes of it. A call that never returns fails the test instead of holding it up.
#[track_caller]
fn check_out_at_once<C: Dialect + 'static>(engine: &Engine<C>) -> Vec<Fate> {
    let (send, fates) = mpsc::channel();
    let start = Meeting::new("the crowd is there", CROWD);
    for _ in 0..CROWD {
        let (engine, send, start) = (engine.clone(), send.clone(), start.clone());
        thread::spawn(move || {
            start.meet();
            let began = Instant::now();
            let outcome = engine.raw_connection().map(drop);
            let took = began.elapsed();
            // Nobody listens any more where the test has failed.
            let _ = send.send(Fate { outcome, took });
        });
    }
    (0..CROWD)
        .map(|number| {
            fates
                .recv_timeout(10 * TIMEOUT)
                .unwrap_or_else(|_| panic!("{number} of {CROWD} calls have returned, the others hang"))
        })
        .collect()
}

/// In time, with an error that says what was waited for, and that the server is at fault and not the program.
#[track_caller]
fn tell_of_fates(fates: &[Fate], pings: usize, connects: usize) {
    let mut seen = (0, 0, 0);
    for Fate { outcome, took } in fates {
        let error = outcome.as_ref().expect_err("nobody answers");
        assert!(*took >= TIMEOUT && *took <= ALLOWED, "{took:?}: {error}");
        let source = error.source().and_then(|source| source.downcast_ref::<PoolError>());
        let text = error.to_string();
        match source {
            Some(PoolError::Unresponsive { step, timeout }) => {
                assert_eq!((error.kind(), error.is_pool_timeout()), (ErrorKind::Connect, false));
                assert_eq!(*timeout, TIMEOUT);
                let start = format!("the server did not answer a {step} within 3.00 s");
                assert!(text.starts_with(&start), "{text}");
                match step {
                    Step::Ping => seen.0 += 1,
                    _ => seen.1 += 1,
                }
            }
            Some(PoolError::Timeout { holders, .. }) => {
                assert_eq!((error.kind(), error.is_pool_timeout()), (ErrorKind::PoolTimeout, true));
                assert!(holders.iter().all(is_told), "{holders:?}");
                seen.2 += 1;
                continue;
            }
            other => panic!("{other:?}: {text}"),
        }
        // It is the host that is down: worth another try as soon as it is back.
        assert!(error.is_retryable(), "{text}");
    }
    assert_eq!(seen, (pings, connects, fates.len() - pings - connects));
}

/// Nothing in this program holds a connection: the server does, and may be back before the caller's own deadline.
#[track_caller]
fn tell_of_a_full_house(error: aludel::Error) {
    let text = error.to_string();
    assert_eq!((error.kind(), error.class()), (ErrorKind::PoolTimeout, Class::Failover));
    assert!(
        error.is_retryable() && text.contains("left behind waiting for the server"),
        "{text}"
    );
}

/// A report names this file, where the crowd checks out.
fn is_told(holder: &Holder) -> bool {
    holder.place.file().ends_with("outage.rs")
}

/// All at the same time, or one after the other where there are fewer connections than threads.
#[track_caller]
fn everybody_finds_one<C: Dialect + 'static>(engine: &Engine<C>, limit: usize) {
    let together = (limit >= CROWD as usize).then(|| Meeting::new("all have a connection", CROWD));
    thread::scope(|threads| {
        for _ in 0..CROWD {
            threads.spawn(|| {
                let mut raw = engine.raw_connection().expect("the server answers again");
                raw.batch_execute("SELECT 1").expect("and so does the connection");
                if let Some(together) = &together {
                    together.meet();
                }
            });
        }
    });
    engine.pool().assert_invariants();
    assert_eq!(engine.pool().checkedout(), 0);
}

/// How many are idle when the server is restarted.
const STALE: usize = 20;

/// Uses twenty connections at the same time and counts the failures.
fn failures<T>(count: usize, mut call: impl FnMut() -> Result<T, Box<dyn std::error::Error>>) -> usize {
    (0..count).filter(|_| call().is_err()).count()
}

impl<C: Dialect + 'static> Outage<C> {
    fn with_stale_connections(server: &dyn Server, pre_ping: PrePing) -> Self {
        let outage = Self::new(server, |builder| {
            builder.pool_size(STALE).max_overflow(0).pool_pre_ping(pre_ping)
        });
        outage.fill(STALE);
        server.restart();
        outage
    }

    /// A statement on a raw connection, which nobody watches, and its return.
    fn statement(&self) -> Result<(), Box<dyn std::error::Error>> {
        let mut raw = self.engine.raw_connection()?;
        Ok(raw.batch_execute("SELECT 1")?)
    }

    #[track_caller]
    fn expect_all_replaced(&self) {
        // What is found stale is replaced; so are those that have not been asked for, as soon as they are.
        let held: Vec<_> = (0..STALE)
            .map(|_| self.engine.raw_connection().expect("the server is back"))
            .collect();
        assert!(held.iter().all(|connection| connection.generation() == 1));
        drop(held);
        let status = self.engine.pool().status();
        assert_eq!((status.opened, status.closed), (2 * STALE as u64, STALE as u64));
        assert_eq!(self.times("retire"), 1, "{:?}", self.log);
        self.engine.pool().assert_invariants();
    }
}

/// Without a ping one statement fails, on a raw connection; nobody but its holder learns of it.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn one_statement_fails_without_a_ping<C: Dialect + 'static>(server: &dyn Server) {
    let outage = Outage::<C>::with_stale_connections(server, PrePing::Never);
    assert_eq!(failures(2 * STALE, || outage.statement()), 1);
    assert_eq!(outage.times("invalidate"), 1, "{:?}", outage.log);
    assert_eq!(outage.times("ping") + outage.times("ping failed"), 0);
    outage.expect_all_replaced();
}

/// A session does not even show that one, since its BEGIN may be repeated on a fresh connection.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn sessions_notice_nothing<C: Dialect + 'static>(server: &dyn Server) {
    let outage = Outage::<C>::with_stale_connections(server, PrePing::Never);
    let failed = failures(2 * STALE, || {
        Ok(outage.engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?)
    });
    assert_eq!(failed, 0);
    assert_eq!(outage.times("fault disconnect in Begin"), 1, "{:?}", outage.log);
    outage.expect_all_replaced();
}

/// With a ping none fails, and the first ping speaks for all.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn one_ping_speaks_for_all<C: Dialect + 'static>(server: &dyn Server) {
    let outage = Outage::<C>::with_stale_connections(server, PrePing::Always);
    // All at once: a replacement that came back would be asked again.
    let mut held: Vec<_> = (0..STALE)
        .map(|_| outage.engine.raw_connection().expect("the server is back"))
        .collect();
    for raw in &mut held {
        raw.batch_execute("SELECT 1").expect("it is a fresh one");
    }
    assert_eq!((outage.times("ping"), outage.times("ping failed")), (0, 1));
    drop(held);
    outage.expect_all_replaced();
}

/// A listener for what these stories count.
fn pool_only(log: &EventLog) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
    let all = log.listener();
    move |event| match event {
        Event::Checkout { .. } | Event::Checkin { .. } | Event::Reset { .. } => {}
        event => all(event),
    }
}

#[cfg(feature = "mysql")]
impl Server for crate::mariadb::MariaDb {
    fn database(&self, name: &str) -> TestDatabase {
        self.database(name)
    }

    fn freeze(&self) {
        self.freeze();
    }

    fn thaw(&self) {
        self.thaw();
    }

    fn restart(&self) {
        self.restart();
    }
}

#[cfg(feature = "postgres")]
impl Server for crate::postgres::Postgres {
    fn database(&self, name: &str) -> TestDatabase {
        self.database(name)
    }

    fn freeze(&self) {
        self.freeze();
    }

    fn thaw(&self) {
        self.thaw();
    }

    fn restart(&self) {
        self.restart();
    }
}
