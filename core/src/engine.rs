//! The engine: one database, its pool, and what every connection of it has in common.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::ConnectionError;

use crate::cancel::CancelToken;
use crate::classify::{Flavour, classify_connect};
use crate::clock::Clock;
use crate::dialect::{Characteristics, Dialect};
use crate::error::{Error, OnExit, Outcome, Result};
use crate::event::{Event, Listeners, Listening};
use crate::fault::Fault;
use crate::log::{Echo, Log, PoolMetrics};
use crate::pool::{Checkout, Pool, PoolError, of_failed_connect};
use crate::retry::Retries;
use crate::testing::FaultScript;
use crate::url::Url;

use commits::Commits;
use connector::DefaultLevel;

mod builder;
mod commits;
mod config;
mod connector;
mod error_context;
mod execution_options;
mod keeper;
mod maker;
mod retries;
mod writes;

pub use builder::EngineBuilder;
pub use config::EngineConfig;
pub use connector::ConnectInfo;
pub use error_context::ErrorContext;
pub use execution_options::ExecutionOptions;

use error_context::ErrorHooks;

/// One database, as SQLAlchemy's `Engine`: a URL, a dialect and a pool, from which sessions and connections are taken.
///
/// It connects to nothing until something is first used. Cloning shares it, and it may be used from any thread.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// assert_eq!(engine.pool().status().to_string().contains("Current Checked out connections: 0"), true);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub struct Engine<C: Dialect>(Arc<Inner<C>>, ExecutionOptions, Option<Attachment>);

/// What a layer above has attached to an engine: all of its clones and sub-engines have it.
type Attachment = Arc<dyn Any + Send + Sync>;

struct Inner<C: Dialect> {
    url: Url,
    /// What every connection of the pool was set up with.
    connected: Characteristics,
    default_isolation_level: DefaultLevel,
    pool: Pool<C>,
    clock: Clock,
    listeners: Listeners,
    handle_error: Arc<ErrorHooks>,
    log: Log,
    faults: Option<FaultScript>,
    cancel_token: CancelToken,
    on_exit: OnExit,
    refuse_implicit_commits: bool,
    commits: Commits,
    retries: Arc<Retries>,
    writes: writes::Writes,
    /// In milliseconds; see [`retries`].
    statement_limit: AtomicU64,
}

impl<C: Dialect> Engine<C> {
    /// An engine with every option at its default.
    ///
    /// # Errors
    ///
    /// When the URL cannot be parsed, or has a part that this dialect cannot use. Nothing is connected to.
    pub fn new<U>(url: U) -> Result<Self>
    where
        U: TryInto<Url>,
        Error: From<U::Error>,
    {
        Self::builder(url).build()
    }

    /// An engine with options of your own. The URL is a text or a [`Url`]; whatever is wrong with it is told by
    /// [`build`](EngineBuilder::build).
    pub fn builder<U>(url: U) -> EngineBuilder<C>
    where
        U: TryInto<Url>,
        Error: From<U::Error>,
    {
        EngineBuilder::new(url.try_into().map_err(Error::from))
    }

    /// The URL; it renders with its password hidden.
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// The pool.
    pub fn pool(&self) -> &Pool<C> {
        &self.0.pool
    }

    /// The clock that everything of this engine goes by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Takes a raw connection from the pool (`raw_connection` in SQLAlchemy): no transaction, no classification.
    /// Dropping it returns it, and since nobody has watched what was done with it, it is reset on return.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::connection::SimpleConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut raw = engine.raw_connection()?;
    /// raw.batch_execute("BEGIN; CREATE TABLE t (a INTEGER)")?;
    /// drop(raw); // rolled back
    /// assert!(engine.raw_connection()?.batch_execute("SELECT * FROM t").is_err());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection could be made, with the driver's own error at once; or when none was free within
    /// `pool_timeout`.
    #[track_caller]
    pub fn raw_connection(&self) -> Result<Checkout<C>> {
        let mut checkout = self.checkout_for(Location::caller())?;
        checkout.set_dirty(true);
        Ok(checkout)
    }

    /// A raw connection for a layer above, which knows what is done with it and says when it is dirty.
    ///
    /// # Errors
    ///
    /// As [`raw_connection`](Self::raw_connection).
    #[doc(hidden)]
    pub fn checkout_for(&self, place: &'static Location<'static>) -> Result<Checkout<C>> {
        self.checkout_unless(place, self.0.pool.options().pool_timeout, None)
    }

    /// The same, for somebody who has another time than `pool_timeout`, and whose wait for the pool ends with the token.
    ///
    /// # Errors
    ///
    /// As [`raw_connection`](Self::raw_connection).
    #[doc(hidden)]
    pub fn checkout_unless(
        &self,
        place: &'static Location<'static>,
        timeout: Duration,
        cancelled: Option<&CancelToken>,
    ) -> Result<Checkout<C>> {
        let span = tracing::debug_span!(
            target: "aludel.pool",
            "checkout",
            otel.kind = "client",
            db.system.name = self.system_name(),
            db.client.connection.pool.name = self.pool_logging_name(),
            db.client.connection.id = tracing::field::Empty,
        );
        let _inside = span.enter();
        let checkout = self
            .0
            .pool
            .checkout_unless(place, timeout, cancelled)
            .map_err(from_pool::<C>)?;
        span.record("db.client.connection.id", checkout.id());
        Ok(checkout)
    }

    /// Closes every idle connection and lets those in use be closed on return (`dispose` in SQLAlchemy). The engine
    /// stays usable and connects anew.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// engine.dispose();
    /// assert_eq!(engine.pool().checkedin(), 0);
    /// drop(engine.raw_connection()?); // and it can still be used
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn dispose(&self) {
        self.0.pool.dispose();
        self.emit(&Event::EngineDisposed);
    }

    /// Lets go of every connection without closing it (`dispose(close=False)` in SQLAlchemy): for a forked child, to which
    /// the connections of its parent do not belong. A child finds out by itself, at its first use of the engine; see
    /// [`Pool::abandon`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// engine.abandon();
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 0));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn abandon(&self) {
        self.0.pool.abandon();
        self.emit(&Event::EngineDisposed);
    }

    /// Adds a listener to an engine that is in use; it is told of events until the answer is dropped, after those that
    /// were there before it. As long as nobody listens a checkout pays one load for the possibility.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use aludel_core::{Engine, Event};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let checkouts = Arc::new(AtomicU32::new(0));
    /// let counter = Arc::clone(&checkouts);
    /// let listening = engine.listen(move |event| {
    ///     if matches!(event, Event::Checkout { .. }) {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// drop(engine.raw_connection()?);
    /// drop(listening);
    /// drop(engine.raw_connection()?);
    /// assert_eq!(checkouts.load(Ordering::Relaxed), 1);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn listen(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Listening {
        self.0.listeners.listen(listener)
    }

    /// Adds a listener to statements, as [`EngineBuilder::listen_statements`] does, to an engine that is in use.
    pub fn listen_statements(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Listening {
        self.0.listeners.listen_statements(listener)
    }

    /// Changes what [`EngineBuilder::echo`] has set, for every clone of this engine and whatever is connected.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Echo, Engine};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.set_echo(true);
    /// assert_eq!((engine.echo(), engine.echo_pool()), (Echo::On, Echo::Off));
    /// engine.set_echo_pool(Echo::Debug);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn set_echo(&self, echo: impl Into<Echo>) {
        self.0.log.set_echo(echo.into());
    }

    /// Changes what [`EngineBuilder::echo_pool`] has set.
    pub fn set_echo_pool(&self, echo: impl Into<Echo>) {
        self.0.log.set_echo_pool(echo.into());
    }

    /// How much is shown of statements.
    pub fn echo(&self) -> Echo {
        self.0.log.echo()
    }

    /// How much is shown of the pool.
    pub fn echo_pool(&self) -> Echo {
        self.0.log.echo_pool()
    }

    /// The name that its log lines carry.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").logging_name("bank").build()?;
    /// assert_eq!((engine.logging_name(), engine.pool_logging_name()), ("bank", "bank"));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn logging_name(&self) -> &str {
        self.0.log.name()
    }

    /// The name that its pool's log lines carry.
    pub fn pool_logging_name(&self) -> &str {
        self.0.log.pool_name()
    }

    /// The pool in numbers, under OpenTelemetry's names.
    pub fn metrics(&self) -> PoolMetrics {
        let pool = &self.0.pool;
        let meter = self.0.listeners.meter();
        PoolMetrics::of(self.pool_logging_name(), pool.status(), pool.options(), meter)
    }

    /// Tells the listeners. For the layers above.
    #[doc(hidden)]
    pub fn emit(&self, event: &Event<'_>) {
        self.0.listeners.emit(event);
    }

    /// The listeners. For the layers above.
    #[doc(hidden)]
    pub fn listeners(&self) -> &Listeners {
        &self.0.listeners
    }

    /// The token that stops every session of this engine, sub-engines included, save those that were given another: their
    /// next statement answers [`Exit`](crate::Exit), as does a COMMIT that was not sent yet, and no retry runs again.
    ///
    /// What needs no session goes on: [`raw_connection`](Self::raw_connection), the pool's own upkeep, ROLLBACK.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let token = engine.cancel_token(); // for whatever hears of the shutdown
    /// token.cancel("SIGTERM");
    /// assert!(engine.cancel_token().is_cancelled());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn cancel_token(&self) -> CancelToken {
        self.0.cancel_token.clone()
    }

    /// The same, lent.
    #[doc(hidden)]
    pub fn own_cancel_token(&self) -> &CancelToken {
        &self.0.cancel_token
    }

    /// What becomes of a connection that somebody left in the middle of a transaction.
    pub fn on_exit(&self) -> OnExit {
        self.0.on_exit
    }

    #[doc(hidden)]
    pub fn refuses_implicit_commits(&self) -> bool {
        self.0.refuse_implicit_commits
    }

    /// The database's name by OpenTelemetry's conventions. For the layers above.
    #[doc(hidden)]
    pub fn system_name(&self) -> &'static str {
        match (C::FLAVOUR, self.0.url.scheme()) {
            (Flavour::MySql, "mariadb") => "mariadb",
            (Flavour::MySql, _) => "mysql",
            (Flavour::PostgreSql, _) => "postgresql",
            (Flavour::Sqlite, _) => "sqlite",
        }
    }

    /// The log of this engine. For the layers above.
    #[doc(hidden)]
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The script of faults, in tests. For the layers above.
    #[doc(hidden)]
    pub fn faults(&self) -> Option<&FaultScript> {
        self.0.faults.as_ref()
    }

    /// This engine with something attached to it. For the layers above.
    #[doc(hidden)]
    pub fn with_attachment(&self, attachment: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Arc::clone(&self.0), self.1, Some(attachment))
    }

    /// What was attached to it. For the layers above.
    #[doc(hidden)]
    #[inline]
    pub fn attachment(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.2.as_deref()
    }

    /// A number that no other session of this process has. For the layers above.
    #[doc(hidden)]
    pub fn next_session_number(&self) -> u64 {
        /// How many a thread takes at once: a session a microsecond on every core would otherwise be so many writes to one
        /// cache line. What a thread has left when it ends is lost, of which there are 2^64.
        const BLOCK: u64 = 1024;
        static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);
        thread_local!(static LEFT: Cell<(u64, u64)> = const { Cell::new((0, 0)) });
        let (mut next, mut end) = LEFT.try_with(Cell::get).unwrap_or_default();
        if next == end {
            next = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            end = next + BLOCK;
        }
        // A thread that is about to end has a block for each of its last sessions.
        let _ = LEFT.try_with(|left| left.set((next + 1, end)));
        next
    }

    /// Lets the user's `handle_error` hooks change what the classifier said. For the layers above.
    #[doc(hidden)]
    pub fn reconsider(&self, connection: u64, fault: Fault) -> Fault {
        self.0.handle_error.reconsider(fault, Some(connection))
    }
}

/// A pool's error is ours already when our own connector made it. What a foreign pool has heard from a driver is classified
/// here.
fn from_pool<C: Dialect>(error: PoolError) -> Error {
    match error {
        PoolError::Connect(source) => match source.downcast::<Error>() {
            // Nothing can have begun on a connection that was not made.
            Ok(ours) if ours.outcome().is_none() => ours.with_outcome(Outcome::NotBegun),
            Ok(ours) => *ours,
            // That of a pool of ours that lends to this one.
            Err(source) if source.is::<PoolError>() => match source.downcast::<PoolError>() {
                Ok(lenders) => from_pool::<C>(*lenders),
                Err(source) => Error::from(PoolError::Connect(source)),
            },
            Err(source) => match of_failed_connect(&source) {
                Some(said) => {
                    let verdict = classify_connect(C::FLAVOUR, &ConnectionError::BadConnection(said));
                    Error::connect(source, verdict)
                }
                None => Error::from(PoolError::Connect(source)),
            },
        },
        other => Error::from(other),
    }
}

impl<C: Dialect> Clone for Engine<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1, self.2.clone())
    }
}

impl<C: Dialect> fmt::Debug for Engine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.0.url)
    }
}
