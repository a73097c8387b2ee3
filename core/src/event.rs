//! What the engine, its pool and its transactions tell whoever listens.
//!
//! Listeners only observe. They run in registration order, on the thread that caused the event, and never while a lock
//! of ours is held, so a listener may call back into the engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::classify::{Class, Phase};
use crate::pool::Holder;

/// One thing that happened.
///
/// Every variant carries what a reader of a log needs and nothing that could be a secret: no password, no bind value of
/// ours, and SQL text only as it was written, with its placeholders. A server's own words are passed on as they are, and
/// a server may quote a value in them (`Duplicate entry '…' for key …`).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::sync::{Arc, Mutex};
///
/// use aludel_core::{Engine, Event};
/// use diesel::SqliteConnection;
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&seen);
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .listen(move |event| {
///         log.lock().unwrap().push(match event {
///             Event::Connect { connection } => format!("connect {connection}"),
///             Event::Checkout { connection, .. } => format!("checkout {connection}"),
///             Event::Reset { connection } => format!("reset {connection}"),
///             Event::Checkin { connection } => format!("checkin {connection}"),
///             other => format!("{other:?}"),
///         });
///     })
///     .build()?;
/// drop(engine.raw_connection()?); // nobody has watched what was done with it, so it is reset
/// assert_eq!(seen.lock().unwrap()[1..], ["connect 1", "checkout 1", "reset 1", "checkin 1"]);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A raw connection was made (`connect` in SQLAlchemy's pool events).
    Connect {
        /// Number of the connection, counted from 1 in each pool.
        connection: u64,
    },
    /// Making a raw connection failed.
    ConnectFailed {
        /// What the driver or a hook answered.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// A connection was handed out.
    Checkout {
        /// Number of the connection.
        connection: u64,
        /// How long the caller had waited for it.
        waited: Duration,
    },
    /// A connection came back and went to the idle ones, or to the next waiter.
    Checkin {
        /// Number of the connection.
        connection: u64,
    },
    /// A returned connection was dirty and was reset.
    Reset {
        /// Number of the connection.
        connection: u64,
    },
    /// A connection was tested before it was handed out.
    Ping {
        /// Number of the connection.
        connection: u64,
        /// Whether it answered.
        alive: bool,
    },
    /// A connection was declared unusable and closed.
    Invalidate {
        /// Number of the connection.
        connection: u64,
        /// Why.
        reason: &'a str,
    },
    /// A raw connection was closed, for whatever reason.
    Close {
        /// Number of the connection.
        connection: u64,
    },
    /// Every connection older than now was retired: each is replaced at its next checkout.
    Retire {
        /// The generation that is current from now on.
        generation: u64,
        /// Why.
        reason: &'a str,
    },
    /// A connection was replaced, or closed while idle, because its time had come.
    Recycle {
        /// Number of the connection.
        connection: u64,
        /// Why.
        cause: RecycleCause,
    },
    /// A connection was declared unfit for the next borrower: its holder goes on with it, and it is closed when it comes
    /// back.
    SoftInvalidate {
        /// Number of the connection.
        connection: u64,
        /// Why.
        reason: &'a str,
    },
    /// Every idle connection was closed, and those in use will be when they come back.
    Dispose {
        /// The generation that is current from now on.
        generation: u64,
    },
    /// An empty pool with the same settings was made.
    Recreate,
    /// The first connection of the pool was made (`first_connect` in SQLAlchemy); comes before its [`Connect`](Self::Connect).
    FirstConnect {
        /// Number of the connection.
        connection: u64,
    },
    /// A connection has been in use for longer than `leak_detection_threshold`. Told once a checkout.
    Leak {
        /// Who has it, since when.
        holder: &'a Holder,
    },
    /// A call to the server did not end within `pool_timeout`, and its caller went on. A helper thread still waits for it,
    /// and its slot counts against the limit until it is back.
    LeftBehind {
        /// What was asked of the server.
        step: Step,
        /// Number of the connection; 0 for one that was being made.
        connection: u64,
    },
    /// A call that was left behind has ended, and its slot is free again.
    CaughtUp {
        /// What was asked of the server.
        step: Step,
        /// Number of the connection; 0 for one that was never made.
        connection: u64,
        /// Whether it ended well, so that the connection can be used.
        alive: bool,
    },
    /// A database in memory died with its connection: its data is gone.
    InMemoryDatabaseLost {
        /// Number of the connection.
        connection: u64,
        /// Why it was closed.
        reason: &'a str,
    },
    /// This process turned out to be a forked child: what the parent had connected is left to the parent.
    Forked {
        /// How many connections of the parent's were left alone.
        left: usize,
    },
    /// A caller waited for the whole `pool_timeout`.
    PoolTimeout {
        /// How long it waited.
        waited: Duration,
    },
    /// A connection left the pool for good and belongs to its holder.
    Detach {
        /// Number of the connection.
        connection: u64,
    },
    /// A connection that had left the pool was closed.
    CloseDetached {
        /// Number of the connection.
        connection: u64,
    },
    /// A root transaction began.
    Begin {
        /// Number of the connection.
        connection: u64,
    },
    /// A root transaction was committed.
    Commit {
        /// Number of the connection.
        connection: u64,
    },
    /// A root transaction was rolled back.
    Rollback {
        /// Number of the connection.
        connection: u64,
    },
    /// A savepoint was set.
    Savepoint {
        /// Number of the connection.
        connection: u64,
        /// Depth of the savepoint, from 1.
        depth: usize,
    },
    /// A savepoint was released, its work kept.
    ReleaseSavepoint {
        /// Number of the connection.
        connection: u64,
        /// Depth of the savepoint, from 1.
        depth: usize,
    },
    /// A savepoint was rolled back to and released, its work undone.
    RollbackToSavepoint {
        /// Number of the connection.
        connection: u64,
        /// Depth of the savepoint, from 1.
        depth: usize,
    },
    /// The driver answered with an error.
    Fault {
        /// Number of the connection.
        connection: u64,
        /// What the classifier says of it.
        class: Class,
        /// What was being done.
        phase: Phase,
        /// The driver's words.
        message: &'a str,
    },
    /// The transaction can no longer be committed.
    Doomed {
        /// Number of the connection.
        connection: u64,
        /// The first cause.
        cause: &'a str,
    },
    /// Nobody knows whether a COMMIT has happened.
    CommitUnknown {
        /// Number of the connection.
        connection: u64,
        /// What came instead of the answer.
        cause: &'a str,
    },
    /// A transaction is about to run again from its start.
    Rerun {
        /// Name of the function that runs again.
        function: &'a str,
        /// Number of the attempt that is about to start; the first rerun is attempt 2.
        attempt: u32,
        /// Class of what ended the attempt before.
        class: Class,
        /// How long the runner slept in between.
        delay: Duration,
        /// What ended the attempt before.
        cause: &'a str,
    },
    /// A session whose transaction had written was dropped without commit: its work was rolled back.
    DroppedUncommitted {
        /// What wrote first: a place in the source, or a statement.
        first_write: &'a str,
    },
}

/// Why a connection was replaced or closed without being at fault.
///
/// ```
/// use aludel_core::event::RecycleCause;
///
/// assert_eq!(RecycleCause::Age.to_string(), "exceeded timeout; recycling");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecycleCause {
    /// Older than `pool_recycle`.
    Age,
    /// Its generation was retired.
    Retired,
    /// Its last holder had declared it unfit.
    SoftInvalidated,
    /// Older than `max_lifetime`.
    Lifetime,
    /// Idle for longer than `idle_timeout`.
    Idle,
}

impl fmt::Display for RecycleCause {
    /// SQLAlchemy's words where it has some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "exceeded timeout; recycling",
            Self::Retired => "invalidated due to pool invalidation; recycling",
            Self::SoftInvalidated => "invalidated due to local soft invalidation; recycling",
            Self::Lifetime => "exceeded its lifetime; recycling",
            Self::Idle => "was idle for too long; closing",
        })
    }
}

/// What a pool asks of a server during a checkout.
///
/// ```
/// use aludel_core::event::Step;
///
/// assert_eq!(Step::Ping.to_string(), "ping");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// To take a new connection.
    Connect,
    /// To give a sign of life.
    Ping,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
        })
    }
}

/// A function that is told of events.
///
/// ```
/// use aludel_core::Event;
/// use aludel_core::event::{Listener, Listeners};
///
/// let listener: Box<Listener> = Box::new(|event: &Event<'_>| println!("{event:?}"));
/// assert!(!Listeners::new(vec![listener]).is_empty());
/// ```
pub type Listener = dyn Fn(&Event<'_>) + Send + Sync;

/// The listeners of one engine, in registration order.
///
/// Cloning shares them.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use aludel_core::Event;
/// use aludel_core::event::Listeners;
///
/// let count = Arc::new(AtomicU32::new(0));
/// let counter = Arc::clone(&count);
/// let listeners = Listeners::new(vec![Box::new(move |_: &Event<'_>| {
///     counter.fetch_add(1, Ordering::Relaxed);
/// })]);
/// listeners.emit(&Event::Close { connection: 1 });
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone, Default)]
pub struct Listeners(Arc<Vec<Box<Listener>>>);

impl Listeners {
    /// Listeners from a list; order is kept.
    pub fn new(listeners: Vec<Box<Listener>>) -> Self {
        Self(Arc::new(listeners))
    }

    /// Tells every listener, in order.
    pub fn emit(&self, event: &Event<'_>) {
        for listener in self.0.iter() {
            listener(event);
        }
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listeners({})", self.0.len())
    }
}
