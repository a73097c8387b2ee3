//! The pool in numbers, under the names that OpenTelemetry's conventions for database clients give them.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::event::Event;
use crate::forkable::Forkable;
use crate::pool::{Limit, PoolOptions, Status};
use crate::sync::Arc;

/// A pool in numbers at one instant; its `Display` has a line for each, under OpenTelemetry's name
/// (<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db")
///     .logging_name("bank")
///     .pool_metrics(true)
///     .build()?;
/// let text = engine.metrics().to_string();
/// assert!(text.contains("db.client.connection.idle.max{pool=\"bank\"} 5"));
/// assert_eq!(engine.metrics().timeouts, Some(0));
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// `db.client.connection.pool.name`: the engine's `pool_logging_name`.
    pub pool_name: String,
    /// `db.client.connection.count{state="idle"}`.
    pub idle: usize,
    /// `db.client.connection.count{state="used"}`: in use, being made, or being closed.
    pub used: usize,
    /// `db.client.connection.idle.max`: `pool_size`; `None` without a limit.
    pub idle_max: Option<usize>,
    /// `db.client.connection.idle.min`: `pool_min_idle`.
    pub idle_min: usize,
    /// `db.client.connection.max`: `pool_size` and `max_overflow`; `None` without a limit.
    pub max: Option<usize>,
    /// `db.client.connection.pending_requests`: callers that wait for a connection.
    pub pending_requests: usize,
    /// `db.client.connection.timeouts`: callers that waited in vain. `None` without `pool_metrics(true)`.
    pub timeouts: Option<u64>,
    /// `db.client.connection.create_time`. `None` without `pool_metrics(true)`.
    pub create_time: Option<Times>,
    /// `db.client.connection.wait_time`, from asking to getting one. `None` without `pool_metrics(true)`.
    pub wait_time: Option<Times>,
    /// `db.client.connection.use_time`, from getting one to giving it back. `None` without `pool_metrics(true)`.
    pub use_time: Option<Times>,
}

/// How long something took, all the times it happened.
///
/// ```
/// use aludel_core::log::Times;
///
/// assert_eq!(Times::default().count, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// How often it happened.
    pub count: u64,
    /// All of it together.
    pub total: Duration,
    /// The longest.
    pub max: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.total += time;
        self.max = self.max.max(time);
    }
}

impl PoolMetrics {
    pub(crate) fn of(pool_name: &str, status: Status, options: &PoolOptions, meter: Option<&Meter>) -> Self {
        let counted = meter.and_then(|meter| meter.0.counts.with(|counts| counts.totals));
        Self {
            pool_name: pool_name.to_owned(),
            idle: status.checked_in,
            used: status.checked_out,
            idle_max: number(options.pool_size),
            idle_min: options.min_idle,
            max: number(options.limit()),
            pending_requests: status.waiting,
            timeouts: counted.map(|counted| counted.timeouts),
            create_time: counted.map(|counted| counted.create),
            wait_time: counted.map(|counted| counted.wait),
            use_time: counted.map(|counted| counted.usage),
        }
    }
}

impl fmt::Display for PoolMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = &self.pool_name;
        writeln!(
            f,
            "db.client.connection.count{{pool={pool:?},state=\"idle\"}} {}",
            self.idle
        )?;
        writeln!(
            f,
            "db.client.connection.count{{pool={pool:?},state=\"used\"}} {}",
            self.used
        )?;
        let lines = [
            ("idle.max", self.idle_max.map(|limit| limit as u64)),
            ("idle.min", Some(self.idle_min as u64)),
            ("max", self.max.map(|limit| limit as u64)),
            ("pending_requests", Some(self.pending_requests as u64)),
            ("timeouts", self.timeouts),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                writeln!(f, "db.client.connection.{name}{{pool={pool:?}}} {value}")?;
            }
        }
        let times = [
            ("create_time", self.create_time),
            ("wait_time", self.wait_time),
            ("use_time", self.use_time),
        ];
        for (name, times) in times {
            if let Some(times) = times {
                let total = times.total.as_secs_f64();
                writeln!(f, "db.client.connection.{name}_count{{pool={pool:?}}} {}", times.count)?;
                writeln!(f, "db.client.connection.{name}_sum{{pool={pool:?}}} {total}")?;
            }
        }
        Ok(())
    }
}

fn number(limit: Limit) -> Option<usize> {
    match limit {
        Limit::AtMost(connections) => Some(connections),
        Limit::Unlimited => None,
    }
}

/// Counts what the pool's status does not, for those who asked for it: it costs two looks at the clock a checkout.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Inner>);

struct Inner {
    clock: Clock,
    pool_name: String,
    /// No other lock is taken under it.
    counts: Forkable<Counts>,
}

#[derive(Default)]
struct Counts {
    totals: Totals,
    /// Since when each connection is in use.
    in_use: HashMap<u64, Instant>,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    timeouts: u64,
    create: Times,
    wait: Times,
    usage: Times,
}

impl Meter {
    pub(crate) fn new(clock: Clock, pool_name: &str) -> Self {
        Self(Arc::new(Inner {
            clock,
            pool_name: pool_name.to_owned(),
            counts: Forkable::default(),
        }))
    }

    /// Measures how long it takes to make a connection.
    pub(crate) fn creating<T, E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let started = self.0.clock.now();
        let made = make()?;
        let took = self.0.clock.now().saturating_duration_since(started);
        self.0.counts.with(|counts| counts.totals.create.add(took));
        let pool = self.0.pool_name.as_str();
        tracing::debug!(
            target: "aludel.metrics",
            { histogram.db.client.connection.create_time = took.as_secs_f64(), db.client.connection.pool.name = pool },
            "db.client.connection"
        );
        Ok(made)
    }

    pub(crate) fn event(&self, event: &Event<'_>) {
        let pool = self.0.pool_name.as_str();
        match *event {
            Event::Checkout { connection, waited } => {
                let now = self.0.clock.now();
                self.0.counts.with(|counts| {
                    counts.totals.wait.add(waited);
                    counts.in_use.insert(connection, now);
                });
                tracing::debug!(
                    target: "aludel.metrics",
                    { histogram.db.client.connection.wait_time = waited.as_secs_f64(), db.client.connection.pool.name = pool },
                    "db.client.connection"
                );
            }
            Event::Checkin { connection } | Event::Close { connection } | Event::Detach { connection } => {
                let Some(took) = self.ended(connection) else { return };
                tracing::debug!(
                    target: "aludel.metrics",
                    { histogram.db.client.connection.use_time = took.as_secs_f64(), db.client.connection.pool.name = pool },
                    "db.client.connection"
                );
            }
            Event::PoolTimeout { .. } => {
                self.0.counts.with(|counts| counts.totals.timeouts += 1);
                tracing::debug!(
                    target: "aludel.metrics",
                    { monotonic_counter.db.client.connection.timeouts = 1_u64, db.client.connection.pool.name = pool },
                    "db.client.connection"
                );
            }
            _ => {}
        }
    }

    fn ended(&self, connection: u64) -> Option<Duration> {
        let now = self.0.clock.now();
        let took = self.0.counts.with(|counts| {
            let since = counts.in_use.remove(&connection)?;
            let took = now.saturating_duration_since(since);
            counts.totals.usage.add(took);
            Some(took)
        });
        took.flatten()
    }
}
