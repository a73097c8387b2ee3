//! A server that is restarted under load: how many calls of `#[retry]` functions fail, how many statements, and how soon
//! everything is as fast as before.
//!
//! Full rate is back at the beginning of the first fifty milliseconds in which nine tenths of what is usual are done, and not
//! before the first call is; usual is the median over ten milliseconds each of the last second before the restart. A tenth is
//! what the rate differs by from one moment to the next on a machine that has something else to do. It is counted from the
//! first connection that somebody gets who knocks all the time from outside.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aludel::prelude::*;
use aludel::{Dialect, Event};
use aludel_tests::figures::{comment, count, median};
use aludel_tests::outage::Server;
use diesel::connection::SimpleConnection as _;
use diesel::{MysqlConnection, PgConnection};

/// Connections in the pool.
const CONNECTIONS: u32 = 20;
/// Fewer than connections, so that most of those are idle when the server goes.
const THREADS: i32 = 4;
/// Restarts of each server.
const ROUNDS: usize = 5;
/// How long the load lasts before the restart, and after it.
const BEFORE: Duration = Duration::from_millis(1_500);
const AFTER: Duration = Duration::from_millis(1_500);
/// Of the time before, what is looked at: the rest is for warming up.
const USUAL: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_millis(10);
/// How many of those must be as usual.
const WINDOWS: u32 = 5;
/// Of a rate that is as usual.
const NINE_TENTHS: f64 = 0.9;
/// Between two knocks.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes something, in a transaction that is done once or not at all.
#[retry(deadline = "60s", commit = "verify")]
fn verified<C: Dialect>(session: &mut Session<C>, row: i32) -> aludel::Result<()> {
    Ok(session.batch_execute(&format!("UPDATE counters SET n = n + 1 WHERE id = {row}"))?)
}

/// The same without a word about COMMIT.
#[retry(deadline = "60s")]
fn unverified<C: Dialect>(session: &mut Session<C>, row: i32) -> aludel::Result<()> {
    Ok(session.batch_execute(&format!("UPDATE counters SET n = n + 1 WHERE id = {row}"))?)
}

type Call<C> = fn(&mut Session<C>, i32) -> aludel::Result<()>;

pub(crate) fn measure(mariadb: &dyn Server, postgres: &dyn Server) {
    comment("calls of #[retry(deadline = \"60s\")] functions on four threads, while their server is restarted");
    let servers = [
        ("mariadb", all_rounds::<MysqlConnection>("mariadb", mariadb)),
        ("postgres", all_rounds::<PgConnection>("postgres", postgres)),
    ];
    let all = |what: fn(&Restarts) -> u64| servers.iter().map(move |(_, restarts)| what(restarts));
    count("recover.restart.failed_calls", all(|it| it.failed_calls).sum());
    count(
        "recover.restart.failed_statements_a_thread",
        all(|it| it.failed_statements).max().unwrap_or_default(),
    );
    count(
        "recover.restart.ms_to_full_rate",
        all(|it| it.to_full_rate).max().unwrap_or_default(),
    );
    for (server, restarts) in &servers {
        let name = |what: &str| format!("recover.restart.{server}.{what}");
        count(&name("failed_calls"), restarts.failed_calls);
        count(&name("failed_statements_a_thread"), restarts.failed_statements);
        count(&name("ms_to_full_rate"), restarts.to_full_rate);
        count(&name("unverified_failed_calls"), restarts.unverified_failed_calls);
    }
}

/// What came of all restarts of a server.
#[derive(Default)]
struct Restarts {
    failed_calls: u64,
    /// The most that any thread has seen in one restart.
    failed_statements: u64,
    /// Milliseconds, the median of the rounds.
    to_full_rate: u64,
    /// Where nobody finds out about a COMMIT whose answer was lost: all of them are such.
    unverified_failed_calls: u64,
}

fn all_rounds<C: Dialect>(name: &str, server: &dyn Server) -> Restarts {
    let mut all = Restarts::default();
    let mut to_full_rate = Vec::new();
    for _ in 0..ROUNDS {
        let round = Load::<C>::new(server).restarted(server, verified);
        comment(format!("recover.restart.{name}: {round}"));
        all.failed_calls += round.failed.len() as u64;
        all.failed_statements = all.failed_statements.max(round.failed_statements);
        to_full_rate.push(round.to_full_rate.as_secs_f64() * 1e3);
        let round = Load::<C>::new(server).restarted(server, unverified);
        let unknown = round.failed.iter().filter(|error| error.is_commit_unknown()).count();
        assert_eq!(unknown, round.failed.len(), "{:?}", round.failed);
        all.unverified_failed_calls += unknown as u64;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some milliseconds"
    )]
    let milliseconds = median(to_full_rate).round() as u64;
    all.to_full_rate = milliseconds;
    all
}

thread_local! {
    /// Statements that have failed on this thread, BEGIN and COMMIT included.
    static FAILED_STATEMENTS: Cell<u64> = const { Cell::new(0) };
}

/// A program that is at work.
struct Load<C: Dialect> {
    engine: Engine<C>,
    url: String,
}

/// What came of one restart.
struct Round {
    failed: Vec<aludel::Error>,
    failed_statements: u64,
    /// Calls in ten milliseconds, before.
    usual: f64,
    down: Duration,
    to_first: Duration,
    to_full_rate: Duration,
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} calls in 10 ms as usual; down for {:.0?}; after its return the first call was done in {:.1?}, full rate in {:.1?}",
            self.usual, self.down, self.to_first, self.to_full_rate
        )
    }
}

/// What one thread has done.
struct Done {
    at: Vec<Instant>,
    failed: Vec<aludel::Error>,
    failed_statements: u64,
}

impl<C: Dialect> Load<C> {
    fn new(server: &dyn Server) -> Self {
        let database = server.database("restart");
        let engine = Engine::<C>::builder(database.url())
            .pool_size(CONNECTIONS as usize)
            .max_overflow(0)
            .listen(|event| {
                if matches!(event, Event::Fault { .. }) {
                    FAILED_STATEMENTS.set(FAILED_STATEMENTS.get() + 1);
                }
            })
            .build()
            .expect("the options fit together");
        let rows: Vec<String> = (0..THREADS).map(|row| format!("({row}, 0)")).collect();
        let mut raw = engine.raw_connection().expect("the server is up");
        for sql in [
            "CREATE TABLE counters (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)",
            &format!("INSERT INTO counters VALUES {}", rows.join(", ")),
        ] {
            raw.batch_execute(sql).expect("the database is empty");
        }
        drop(raw);
        engine.create_commit_table().expect("it may be made");
        let held: Vec<_> = (0..CONNECTIONS).map(|_| engine.raw_connection()).collect();
        assert!(held.iter().all(Result::is_ok), "the server is up");
        drop(held);
        let url = database.url().to_owned();
        Self { engine, url }
    }

    fn restarted(&self, server: &dyn Server, call: Call<C>) -> Round {
        let over = AtomicBool::new(false);
        let (done, stopped, returned) = thread::scope(|threads| {
            let crowd: Vec<_> = (0..THREADS)
                .map(|row| {
                    threads.spawn({
                        let over = &over;
                        move || self.work(row, call, over)
                    })
                })
                .collect();
            // A round lasts so long by definition; nothing is asserted on it.
            thread::sleep(BEFORE);
            let stopped = Instant::now();
            let knocking = threads.spawn(|| self.knock());
            server.restart();
            let returned = knocking.join().expect("knocking does not panic");
            thread::sleep(AFTER);
            over.store(true, Ordering::Relaxed);
            let join = |thread: thread::ScopedJoinHandle<'_, Done>| thread.join().expect("work does not panic");
            (crowd.into_iter().map(join).collect::<Vec<_>>(), stopped, returned)
        });
        let mut at: Vec<Instant> = done.iter().flat_map(|done| done.at.iter().copied()).collect();
        at.sort_unstable();
        let usual = usual(&at, stopped);
        let first = at.iter().find(|at| **at >= returned).copied();
        let to_first = first.map_or(AFTER, |first| first - returned);
        Round {
            failed_statements: done.iter().map(|done| done.failed_statements).max().unwrap_or_default(),
            failed: done.into_iter().flat_map(|done| done.failed).collect(),
            usual,
            down: returned - stopped,
            to_first,
            to_full_rate: full_rate(&at, returned, usual).max(to_first),
        }
    }

    fn work(&self, row: i32, call: Call<C>, over: &AtomicBool) -> Done {
        let (mut at, mut failed) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            match call(&mut self.engine.session(), row) {
                Ok(()) => at.push(Instant::now()),
                Err(error) => failed.push(error),
            }
        }
        Done {
            at,
            failed,
            failed_statements: FAILED_STATEMENTS.get(),
        }
    }

    /// When the server is there again, after it was away.
    fn knock(&self) -> Instant {
        let mut was_away = false;
        loop {
            match C::establish(&self.url) {
                Ok(_) if was_away => return Instant::now(),
                Ok(_) => {}
                Err(_) => was_away = true,
            }
            thread::sleep(PAUSE);
        }
    }
}

fn within(at: &[Instant], from: Instant, lasting: Duration) -> usize {
    let first = at.partition_point(|at| *at < from);
    let last = at.partition_point(|at| *at < from + lasting);
    last - first
}

/// The median of the calls in a window.
#[expect(clippy::cast_precision_loss, reason = "a window has few calls")]
fn usual(at: &[Instant], stopped: Instant) -> f64 {
    let windows = u32::try_from(USUAL.as_millis() / WINDOW.as_millis()).expect("they are few");
    let from = stopped.checked_sub(USUAL).expect("the calls had gone on for so long");
    median(
        (0..windows)
            .map(|window| within(at, from + window * WINDOW, WINDOW) as f64)
            .collect(),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a window has few calls")]
fn full_rate(at: &[Instant], returned: Instant, usual: f64) -> Duration {
    let enough = NINE_TENTHS * usual * f64::from(WINDOWS);
    let milliseconds = (0..).map(Duration::from_millis).take_while(|after| *after < AFTER);
    let full = |after: &Duration| within(at, returned + *after, WINDOWS * WINDOW) as f64 >= enough;
    milliseconds.into_iter().find(full).unwrap_or(AFTER)
}
