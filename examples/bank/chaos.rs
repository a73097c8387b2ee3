//! The end of our own connections, and of nobody else's.
//!
//! Each connection that this run makes is enrolled when it is made: by its number, and on PostgreSQL, where numbers are
//! given again, by a name of this run. What is killed is looked up in the server's own list, in the same statement.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::{Error, Flavour, Url};
use diesel::QueryResult;
use diesel::r2d2::{CustomizeConnection, Error as R2D2Error};

use crate::ledger::Ledger;

/// How long a strike waits for the next one, in milliseconds: some four a second. Many more, and the run would show how
/// fast connections can be made; many fewer, and half a minute would leave much to luck.
const PAUSE_MS: std::ops::Range<u64> = 50..450;

/// How often a strike looks for somebody in COMMIT, which takes a fraction of a millisecond, before it takes anybody.
const LOOKS: u32 = 200;

/// How long SQLite's write lock is held, in milliseconds.
const HOLD_MS: std::ops::Range<u64> = 100..400;

/// How long a writer waits for SQLite's lock in a run with chaos, in milliseconds, where the URL does not say: less than
/// the lock is held at times, so that transactions have to run again.
const BUSY_TIMEOUT_MS: u32 = 100;

/// The connections of this run, and what was done to them.
#[derive(Debug)]
pub(crate) struct Branch {
    name: String,
    connections: Mutex<Vec<i64>>,
    pub(crate) enrolled: AtomicU64,
    pub(crate) killed_anywhere: AtomicU64,
    pub(crate) killed_in_commit: AtomicU64,
    pub(crate) locks_held: AtomicU64,
}

impl Branch {
    pub(crate) fn new() -> Self {
        Self {
            name: format!("aludel_bank_{:016x}", fastrand::u64(..)),
            connections: Mutex::default(),
            enrolled: AtomicU64::new(0),
            killed_anywhere: AtomicU64::new(0),
            killed_in_commit: AtomicU64::new(0),
            locks_held: AtomicU64::new(0),
        }
    }

    /// Notes a new connection as ours.
    pub(crate) fn enrol<C: Dialect>(&self, connection: &mut C) -> QueryResult<()> {
        self.enrolled.fetch_add(1, Ordering::Relaxed);
        if C::FLAVOUR == Flavour::PostgreSql {
            connection.batch_execute(&format!("SET application_name = '{}'", self.name))?;
        }
        if let Some(id) = connection.backend_id()? {
            self.connections().push(id);
        }
        Ok(())
    }

    /// What was done, all kinds together.
    pub(crate) fn strikes(&self) -> u64 {
        [&self.killed_anywhere, &self.killed_in_commit, &self.locks_held]
            .into_iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<i64>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of them off the list, any one.
    fn take(&self) -> Option<i64> {
        let mut connections = self.connections();
        if connections.is_empty() {
            return None;
        }
        let index = fastrand::usize(..connections.len());
        Some(connections.swap_remove(index))
    }
}

/// Enrols what r2d2 connects.
#[derive(Debug)]
pub(crate) struct Enrol(pub(crate) Arc<Branch>);

impl<C: Dialect> CustomizeConnection<C, R2D2Error> for Enrol {
    fn on_acquire(&self, connection: &mut C) -> Result<(), R2D2Error> {
        self.0.enrol(connection).map_err(R2D2Error::QueryError)
    }
}

/// The URL with which a run takes place.
pub(crate) fn check(url: &str, chaos: bool) -> aludel::Result<String> {
    let parsed = Url::parse(url)?;
    if parsed.is_sqlite_memory() {
        return Err(Error::configuration(
            "a database in memory is seen by one connection alone, so there would be nothing to show; give a file: \
             sqlite://bank.db",
        ));
    }
    if parsed.is_sqlite() && chaos && parsed.query_value("busy_timeout").is_none() {
        let separator = if url.contains('?') { '&' } else { '?' };
        return Ok(format!("{url}{separator}busy_timeout={BUSY_TIMEOUT_MS}"));
    }
    Ok(url.to_owned())
}

/// Strikes until told to stop. `engine` is not of the branch.
pub(crate) fn rage<C>(branch: &Branch, engine: &Engine<C>, stop: &AtomicBool) -> aludel::Result<()>
where
    C: Dialect<Backend: Ledger>,
{
    let mut connection = engine.raw_connection()?;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(fastrand::u64(PAUSE_MS)));
        if C::FLAVOUR == Flavour::Sqlite {
            // Nobody can be killed inside this process; but anybody can be in the way.
            if connection.batch_execute("BEGIN IMMEDIATE").is_ok() {
                thread::sleep(Duration::from_millis(fastrand::u64(HOLD_MS)));
                connection.batch_execute("ROLLBACK")?;
                branch.locks_held.fetch_add(1, Ordering::Relaxed);
            }
        } else if fastrand::bool() && (0..LOOKS).any(|_| kill_in_commit(branch, &mut *connection)) {
            branch.killed_in_commit.fetch_add(1, Ordering::Relaxed);
        } else if kill_anyone(branch, &mut *connection) {
            branch.killed_anywhere.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Idle in the pool, between two statements, in one: as it comes.
fn kill_anyone<C>(branch: &Branch, connection: &mut C) -> bool
where
    C: Dialect<Backend: Ledger>,
{
    // Many have gone by themselves, with those who were killed.
    while let Some(id) = branch.take() {
        if kill(branch, connection, &[id], None) {
            return true;
        }
    }
    false
}

fn kill_in_commit<C>(branch: &Branch, connection: &mut C) -> bool
where
    C: Dialect<Backend: Ledger>,
{
    let ids = branch.connections().clone();
    kill(branch, connection, &ids, Some("COMMIT"))
}

/// Kills one of these connections, if it is there and ours, and runs that statement; says whether it did.
fn kill<C>(branch: &Branch, connection: &mut C, ids: &[i64], running: Option<&str>) -> bool
where
    C: Dialect<Backend: Ledger>,
{
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let ids = ids.join(",");
    if ids.is_empty() {
        return false;
    }
    let statements = if C::FLAVOUR == Flavour::PostgreSql {
        let running = running.map_or(String::new(), |text| {
            format!(" AND state = 'active' AND query = '{text}'")
        });
        vec![format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({ids}) AND datname = \
             current_database() AND application_name = '{}'{running} LIMIT 1",
            branch.name
        )]
    } else {
        let running = running.map_or(String::new(), |text| format!(" AND info = '{text}'"));
        vec![
            format!(
                "SET @victim = (SELECT id FROM information_schema.processlist WHERE id IN ({ids}) AND db = DATABASE() \
                 AND user = SUBSTRING_INDEX(USER(), '@', 1){running} LIMIT 1)"
            ),
            // Without a victim this is an error: there is no thread NULL.
            "KILL CONNECTION @victim".to_owned(),
        ]
    };
    let outcome: QueryResult<Vec<usize>> = statements
        .iter()
        .map(|statement| C::Backend::run(connection, statement))
        .collect();
    match (C::FLAVOUR, outcome) {
        (_, Err(_)) => false,
        (Flavour::PostgreSql, Ok(counts)) => counts == [1],
        (_, Ok(_)) => true,
    }
}
