//! A log of events that is compared as a whole.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::diff::diff;
use crate::event::{Event, RecycleCause};

/// What happened, in order, a line each. Clones are the same log, and any thread may write to it.
///
/// Give one of its listeners to [`EngineBuilder::listen`](crate::EngineBuilder::listen), and compare. The lines have no
/// numbers of connections and no times, so that they read the same in every run.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use aludel_core::testing::EventLog;
/// use diesel::SqliteConnection;
///
/// let log = EventLog::new();
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").listen(log.listener()).build()?;
/// drop(engine.raw_connection()?);
/// assert_eq!(log.take().last().map(String::as_str), Some("checkin"));
/// drop(engine.raw_connection()?);
/// log.expect(&["checkout", "reset", "checkin"]); // nobody watched what was done with it, so it is reset
/// log.expect(&[]); // what was compared is gone: each `expect` is about what happened since the last one
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
///
/// | Kind | Lines |
/// |---|---|
/// | [`Pool`](EventKind::Pool) | `connect`, `first connect`, `checkout`, `checkin`, `reset`, `ping`, `close`, `recycle (…)`, `soft invalidate`, `dispose`, `detach`, `close detached`, `caught up` |
/// | [`Fault`](EventKind::Fault) | `fault retry in Commit` (class and phase), `connect failed`, `ping failed` |
/// | [`Damage`](EventKind::Damage) | `doomed`, `commit unknown`, `invalidate`, `retire`, `pool timeout`, `dropped uncommitted`, `leak`, `left behind`, `in-memory database lost`, `forked` |
/// | [`Transaction`](EventKind::Transaction) | `begin`, `commit`, `rollback`, `savepoint 1`, `release 1`, `rollback to 1` |
/// | [`Rerun`](EventKind::Rerun) | `rerun transfer, attempt 2, after retry` (function, attempt, class), `reconnecting, retry 1, after disconnect` |
/// | [`RetryEnd`](EventKind::RetryEnd) | `retry ended transfer, attempts 2, it has succeeded` (function, attempts, why nothing more) |
/// | [`Note`](EventKind::Note) | what the test itself has pushed |
#[derive(Clone, Default)]
pub struct EventLog(Arc<Mutex<Vec<(EventKind, String)>>>);

/// What a line of an [`EventLog`] is about.
///
/// ```
/// use aludel_core::Event;
/// use aludel_core::testing::{EventKind, EventLog};
///
/// let log = EventLog::new();
/// let listener = log.listener_of(&[EventKind::Transaction]);
/// listener(&Event::Connect { connection: 1 });
/// listener(&Event::Begin { connection: 1 });
/// log.expect(&["begin"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The pool's daily work.
    Pool,
    /// What a driver answered with an error.
    Fault,
    /// What an error has cost: a transaction, a connection, a caller's time.
    Damage,
    /// Transactions and savepoints, begun and ended.
    Transaction,
    /// A statement, for those who listen to statements.
    Statement,
    /// A transaction is about to run again, or a reader's statement.
    Rerun,
    /// A retry has come to its end after a rerun, or for want of one.
    RetryEnd,
    /// The test's own words.
    Note,
}

impl EventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A listener that logs every event.
    pub fn listener(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
        let log = self.clone();
        move |event| log.record(event)
    }

    /// A listener that logs events of these kinds only.
    pub fn listener_of(&self, kinds: &[EventKind]) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
        let (log, kinds) = (self.clone(), kinds.to_vec());
        move |event| {
            if kinds.contains(&kind(event)) {
                log.record(event);
            }
        }
    }

    /// A listener that logs the turns of a story: what began and ended, what was lost, what runs again.
    ///
    /// ```
    /// use aludel_core::Event;
    /// use aludel_core::testing::EventLog;
    ///
    /// let log = EventLog::new();
    /// let listener = log.outline();
    /// listener(&Event::Begin { connection: 1 });
    /// listener(&Event::Ping { connection: 2, alive: true });
    /// listener(&Event::Commit { connection: 1 });
    /// log.expect(&["begin", "commit"]);
    /// ```
    pub fn outline(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
        self.listener_of(&[EventKind::Transaction, EventKind::Damage, EventKind::Rerun])
    }

    /// Adds an event at the end, for listeners of your own.
    pub fn record(&self, event: &Event<'_>) {
        let entry = (kind(event), line(event));
        self.with(|entries| entries.push(entry));
    }

    /// Adds a line of the test's own.
    ///
    /// ```
    /// use aludel_core::testing::EventLog;
    ///
    /// let log = EventLog::new();
    /// log.push("the letter was sent");
    /// log.expect(&["the letter was sent"]);
    /// ```
    pub fn push(&self, note: impl Into<String>) {
        let entry = (EventKind::Note, note.into());
        self.with(|entries| entries.push(entry));
    }

    /// All lines so far; the log stays as it is.
    pub fn snapshot(&self) -> Vec<String> {
        self.with(|entries| entries.iter().map(|(_, line)| line.clone()).collect())
    }

    /// The lines of one kind so far; the log stays as it is.
    ///
    /// ```
    /// use aludel_core::Event;
    /// use aludel_core::testing::{EventKind, EventLog};
    ///
    /// let log = EventLog::new();
    /// log.record(&Event::Begin { connection: 1 });
    /// log.push("half-way");
    /// log.record(&Event::Commit { connection: 1 });
    /// assert_eq!(log.of(EventKind::Transaction), ["begin", "commit"]);
    /// assert_eq!(log.snapshot(), ["begin", "half-way", "commit"]);
    /// ```
    pub fn of(&self, kind: EventKind) -> Vec<String> {
        let wanted = |(of, line): &(EventKind, String)| (*of == kind).then(|| line.clone());
        self.with(|entries| entries.iter().filter_map(wanted).collect())
    }

    /// All lines so far; the log is empty afterwards.
    pub fn take(&self) -> Vec<String> {
        let taken = self.with(std::mem::take);
        taken.into_iter().map(|(_, line)| line).collect()
    }

    /// Forgets what there is, such as the noise of a set-up.
    pub fn clear(&self) {
        self.with(Vec::clear);
    }

    /// Takes the lines and compares them.
    ///
    /// # Panics
    ///
    /// If they differ; the message shows the lines of both, with `-` before what is missing and `+` before what was not
    /// expected.
    #[track_caller]
    pub fn expect(&self, expected: &[&str]) {
        let actual = self.take();
        assert!(
            actual == expected,
            "the log differs (- expected, + logged)\n{}",
            diff(expected, &actual)
        );
    }

    fn with<R>(&self, f: impl FnOnce(&mut Vec<(EventKind, String)>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.snapshot()).finish()
    }
}

fn kind(event: &Event<'_>) -> EventKind {
    match event {
        Event::Connect { .. }
        | Event::FirstConnect { .. }
        | Event::Checkout { .. }
        | Event::Checkin { .. }
        | Event::Reset { .. }
        | Event::Ping { alive: true, .. }
        | Event::Close { .. }
        | Event::Recycle { .. }
        | Event::SoftInvalidate { .. }
        | Event::Dispose { .. }
        | Event::Recreate
        | Event::Abandon { .. }
        | Event::EngineConnect { .. }
        | Event::SetExecutionOptions { .. }
        | Event::EngineDisposed
        | Event::Detach { .. }
        | Event::CloseDetached { .. }
        | Event::CaughtUp { .. } => EventKind::Pool,
        Event::Fault { .. } | Event::ConnectFailed { .. } | Event::Ping { alive: false, .. } => EventKind::Fault,
        Event::Doomed { .. }
        | Event::CommitUnknown { .. }
        | Event::ImplicitCommit { .. }
        | Event::Invalidate { .. }
        | Event::Retire { .. }
        | Event::PoolTimeout { .. }
        | Event::DroppedUncommitted { .. }
        | Event::Leak { .. }
        | Event::LeftBehind { .. }
        | Event::InMemoryDatabaseLost { .. }
        | Event::Forked { .. } => EventKind::Damage,
        Event::Begin { .. }
        | Event::Commit { .. }
        | Event::Rollback { .. }
        | Event::CommitResolved { .. }
        | Event::Savepoint { .. }
        | Event::ReleaseSavepoint { .. }
        | Event::RollbackToSavepoint { .. } => EventKind::Transaction,
        Event::BeforeStatement { .. } | Event::Statement { .. } => EventKind::Statement,
        Event::Rerun { .. } | Event::Reconnecting { .. } => EventKind::Rerun,
        Event::RetryEnded { .. } => EventKind::RetryEnd,
    }
}

fn line(event: &Event<'_>) -> String {
    let text = match event {
        Event::Savepoint { depth, .. } => return format!("savepoint {depth}"),
        Event::ReleaseSavepoint { depth, .. } => return format!("release {depth}"),
        Event::RollbackToSavepoint { depth, .. } => return format!("rollback to {depth}"),
        Event::Fault { class, phase, .. } => return format!("fault {class} in {phase:?}"),
        Event::Rerun {
            function,
            attempt,
            class,
            ..
        } => return format!("rerun {function}, attempt {attempt}, after {class}"),
        Event::RetryEnded { function, report } => {
            return format!(
                "retry ended {function}, attempts {}, {}",
                report.attempts(),
                report.end()
            );
        }
        Event::Reconnecting { retry, class, .. } => return format!("reconnecting, retry {retry}, after {class}"),
        Event::BeforeStatement { sql, .. } => return format!("before {sql}"),
        Event::Statement { sql, failed: false, .. } => return format!("statement {sql}"),
        Event::Statement { sql, failed: true, .. } => return format!("statement failed {sql}"),
        Event::CommitResolved { resolution, .. } => return format!("commit resolved: {resolution}"),
        Event::EngineConnect { .. } => "engine connect",
        Event::SetExecutionOptions { option, .. } => return format!("set {option}"),
        Event::EngineDisposed => "engine disposed",
        Event::Connect { .. } => "connect",
        Event::FirstConnect { .. } => "first connect",
        Event::ConnectFailed { .. } => "connect failed",
        Event::Checkout { .. } => "checkout",
        Event::Checkin { .. } => "checkin",
        Event::Reset { .. } => "reset",
        Event::Ping { alive: true, .. } => "ping",
        Event::Ping { alive: false, .. } => "ping failed",
        Event::Invalidate { .. } => "invalidate",
        Event::Close { .. } => "close",
        Event::Retire { .. } => "retire",
        Event::Recycle { cause, .. } => match cause {
            RecycleCause::Age => "recycle (age)",
            RecycleCause::Retired => "recycle (retired)",
            RecycleCause::SoftInvalidated => "recycle (soft invalidated)",
            RecycleCause::Lifetime => "recycle (lifetime)",
            RecycleCause::Idle => "recycle (idle)",
        },
        Event::SoftInvalidate { .. } => "soft invalidate",
        Event::Dispose { .. } => "dispose",
        Event::Recreate => "recreate",
        Event::Abandon { .. } => "abandon",
        Event::Leak { .. } => "leak",
        Event::LeftBehind { .. } => "left behind",
        Event::CaughtUp { .. } => "caught up",
        Event::InMemoryDatabaseLost { .. } => "in-memory database lost",
        Event::Forked { .. } => "forked",
        Event::PoolTimeout { .. } => "pool timeout",
        Event::Detach { .. } => "detach",
        Event::CloseDetached { .. } => "close detached",
        Event::Begin { .. } => "begin",
        Event::Commit { .. } => "commit",
        Event::Rollback { .. } => "rollback",
        Event::Doomed { .. } => "doomed",
        Event::CommitUnknown { .. } => "commit unknown",
        Event::ImplicitCommit { .. } => "implicit commit",
        Event::DroppedUncommitted { .. } => "dropped uncommitted",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "(- expected, + logged)\n  begin\n- commit\n+ rollback\n")]
    fn a_difference_shows_both_sides() {
        let log = EventLog::new();
        log.push("begin");
        log.push("rollback");
        log.expect(&["begin", "commit"]);
    }

    #[test]
    fn what_was_compared_taken_or_cleared_is_gone() {
        let log = EventLog::new();
        log.push("set up");
        log.clear();
        log.push("done");
        log.expect(&["done"]);
        log.push("once more");
        assert_eq!(log.take(), ["once more"]);
        log.expect(&[]);
    }

    #[test]
    fn a_listener_takes_the_kinds_that_it_was_made_for() {
        let log = EventLog::new();
        let (all, some) = (log.listener(), log.listener_of(&[EventKind::Damage, EventKind::Fault]));
        let dead = Event::Ping {
            connection: 1,
            alive: false,
        };
        let retired = Event::Retire {
            generation: 1,
            reason: "a test",
        };
        for event in [Event::Connect { connection: 1 }, dead, retired] {
            all(&event);
            some(&event);
        }
        assert_eq!(log.of(EventKind::Fault), ["ping failed", "ping failed"]);
        log.expect(&["connect", "ping failed", "ping failed", "retire", "retire"]);
    }
}
