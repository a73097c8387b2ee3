//! What the engine, its pool and its transactions tell whoever listens.
//!
//! Listeners only observe; what acts is a hook of the engine's builder. Three rules hold for each of them:
//!
//! - **Order.** First those of [`listen_all`], then the engine's own, each in the order in which they were added.
//! - **Panic.** A listener that panics is caught, an error is logged, and the next one still runs: nothing of the pool or
//!   the transaction is lost, and nobody else notices.
//! - **Re-entry.** A listener runs on the thread that caused the event, with no lock of ours held. It may use the engine,
//!   the very pool that the event is about included, and is then told of the events that it causes itself: whoever
//!   answers a checkout with a checkout has to stop somewhere. A listener that is added or dropped by another one is
//!   told, or not told, from the next event on.

use std::time::Duration;

use crate::classify::{Class, Phase};
use crate::pool::Holder;
use crate::retry::RetryReport;
use crate::verify::{CommitToken, Resolution};

mod cause;
mod instrumentation;
mod listeners;

pub use cause::{RecycleCause, Step};
pub use instrumentation::set_default_instrumentation;
pub(crate) use instrumentation::shows_urls;
pub use listeners::{Listener, Listeners, Listening, listen_all};

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
    /// Every connection was let go of without being closed (`dispose(close=False)` in SQLAlchemy).
    Abandon {
        /// How many idle ones were left as they were.
        left: usize,
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
    /// A connection or a session took a raw connection from the pool (`engine_connect` in SQLAlchemy).
    EngineConnect {
        /// Number of the connection.
        connection: u64,
    },
    /// An option of one connection was set (`set_connection_execution_options` in SQLAlchemy).
    SetExecutionOptions {
        /// Number of the connection; 0 before it has one.
        connection: u64,
        /// The option's name.
        option: &'a str,
    },
    /// The engine was disposed of (`engine_disposed` in SQLAlchemy); comes after what its pool has to say of that.
    EngineDisposed,
    /// A statement is about to be sent (`before_cursor_execute` in SQLAlchemy). Only for those who listen to statements
    /// (`listen_statements`), since its text has to be rendered.
    BeforeStatement {
        /// Number of the connection.
        connection: u64,
        /// The statement with its placeholders; of `save_changes` and of the table of migrations, which Diesel writes by
        /// itself, only what it is.
        sql: &'a str,
    },
    /// A statement has ended (`after_cursor_execute` in SQLAlchemy). Only for those who listen to statements.
    Statement {
        /// Number of the connection.
        connection: u64,
        /// The statement with its placeholders.
        sql: &'a str,
        /// From sending it to its end; where rows are read, to the last one that was.
        duration: Duration,
        /// Rows that were read, or changed; `None` where nobody knows.
        rows: Option<usize>,
        /// Whether the driver answered with an error, or a panic came out of the call.
        failed: bool,
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
    /// A statement has committed the transaction by the way, as a `CREATE TABLE` does on MariaDB and MySQL: what was written
    /// before it stays, whatever becomes of the rest. Either a new root has taken the place of the old one, or, where
    /// savepoints are gone with it, the transaction is doomed.
    ImplicitCommit {
        /// Number of the connection.
        connection: u64,
        /// The statement with its placeholders, or what is known of it.
        sql: &'a str,
    },
    /// Nobody knows whether a COMMIT has happened.
    CommitUnknown {
        /// Number of the connection.
        connection: u64,
        /// What came instead of the answer.
        cause: &'a str,
    },
    /// It was found out what has become of a COMMIT that was never answered.
    CommitResolved {
        /// By which it was asked for.
        token: &'a CommitToken,
        /// What was found.
        resolution: Resolution,
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
    /// A retry has come to its end in whose course a transaction ran again, or should have and could not: also after a
    /// success. The same of a reader's statement.
    RetryEnded {
        /// Name of the function, or "a reader's statement".
        function: &'a str,
        /// What was tried, and why nothing more.
        report: &'a RetryReport,
    },
    /// A reader has lost its server in a statement, or did not find it, and is about to read again after a pause
    /// (`Engine::reconnecting` in `aludel`).
    Reconnecting {
        /// Number of the connection that was lost, or of the last one there was; 0 before the first.
        connection: u64,
        /// Number of the repetition that is about to come, from 1.
        retry: u32,
        /// How many there may be.
        num_retries: u32,
        /// Class of what ended the try before.
        class: Class,
        /// How long the reader pauses first.
        delay: Duration,
        /// What ended the try before.
        cause: &'a str,
    },
    /// A session whose transaction had written was dropped without commit: its work was rolled back.
    DroppedUncommitted {
        /// What wrote first: a place in the source, or a statement.
        first_write: &'a str,
    },
}
