//! The options of an engine, under SQLAlchemy's names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::connector::{CheckoutHook, ConnectHook, ConnectInfo, EngineConnector};
use super::{Engine, ErrorContext, ErrorHook, Inner};
use crate::clock::Clock;
use crate::dialect::{Dialect, IsolationLevel, Setup};
use crate::error::{Error, Result};
use crate::event::{Event, Listener, Listeners};
use crate::log::Log;
use crate::pool::{CheckoutInfo, Pool, PoolOptions, PrePing, Refuse, ResetOnReturn};
use crate::testing::FaultScript;
use crate::url::Url;

/// Collects the options of an [`Engine`] (`create_engine` in SQLAlchemy).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::time::Duration;
///
/// use aludel_core::Engine;
/// use aludel_core::pool::PrePing;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db")
///     .pool_size(5)
///     .max_overflow(10)
///     .pool_timeout(Duration::from_secs(30))
///     .pool_pre_ping(PrePing::IdleFor(Duration::from_millis(500)))
///     .build()?;
/// assert_eq!(engine.url().to_string(), "sqlite://bank.db");
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[must_use = "an engine exists only after build()"]
pub struct EngineBuilder<C: Dialect> {
    url: Result<Url>,
    pool: PoolOptions,
    sized: bool,
    isolation_level: Option<IsolationLevel>,
    log: Log,
    clock: Clock,
    listeners: Vec<Box<Listener>>,
    on_connect: Vec<Box<ConnectHook<C>>>,
    on_checkout: Vec<Box<CheckoutHook<C>>>,
    handle_error: Vec<Box<ErrorHook>>,
    faults: Option<FaultScript>,
}

impl<C: Dialect> EngineBuilder<C> {
    pub(super) fn new(url: Result<Url>) -> Self {
        Self {
            url,
            pool: PoolOptions::default(),
            sized: false,
            isolation_level: None,
            log: Log::default(),
            clock: Clock::system(),
            listeners: Vec::new(),
            on_connect: Vec::new(),
            on_checkout: Vec::new(),
            handle_error: Vec::new(),
            faults: None,
        }
    }

    /// Connections that are kept open while idle; default 5, 0 means no limit. An SQLite database in memory has one
    /// unless this is set, since it lives and dies with its connection.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool.pool_size = connections;
        self.sized = true;
        self
    }

    /// Connections above `pool_size` that may be open at the same time; default 10. They are closed on return.
    pub fn max_overflow(mut self, connections: usize) -> Self {
        self.pool.max_overflow = Some(connections);
        self.sized = true;
        self
    }

    /// No limit to the connections above `pool_size` (`max_overflow=-1` in SQLAlchemy).
    pub fn unlimited_overflow(mut self) -> Self {
        self.pool.max_overflow = None;
        self.sized = true;
        self
    }

    /// How long a checkout may wait for a free connection; default 30 s.
    pub fn pool_timeout(mut self, timeout: Duration) -> Self {
        self.pool.pool_timeout = timeout;
        self
    }

    /// A connection older than this is replaced at its next checkout; age counts from connecting. Default: never.
    pub fn pool_recycle(mut self, age: Duration) -> Self {
        self.pool.pool_recycle = Some(age);
        self
    }

    /// Whether a connection is tested before it is handed out; default [`PrePing::Never`].
    pub fn pool_pre_ping(mut self, pre_ping: PrePing) -> Self {
        self.pool.pre_ping = pre_ping;
        self
    }

    /// Hands out the connection that was returned last instead of the one that was returned first; default false.
    pub fn pool_use_lifo(mut self, lifo: bool) -> Self {
        self.pool.use_lifo = lifo;
        self
    }

    /// What happens to a connection that comes back with a transaction open; default [`ResetOnReturn::Rollback`].
    pub fn pool_reset_on_return(mut self, reset: ResetOnReturn) -> Self {
        self.pool.reset_on_return = reset;
        self
    }

    /// The isolation level of every transaction; default: the server's.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = Some(level);
        self
    }

    /// Shows each statement, through `tracing` if the program has set that up and on standard error otherwise.
    pub fn echo(mut self, echo: bool) -> Self {
        self.log.echo = echo;
        self
    }

    /// Shows what the pool does, in the same way.
    pub fn echo_pool(mut self, echo: bool) -> Self {
        self.log.echo_pool = echo;
        self
    }

    /// Keeps bind values out of what `echo` shows; default true. Errors and events contain none of ours either way; a
    /// server may quote one in its own words.
    pub fn hide_parameters(mut self, hide: bool) -> Self {
        self.log.hide_parameters = hide;
        self
    }

    /// A name that log lines carry, to tell engines apart.
    pub fn logging_name(mut self, name: impl Into<String>) -> Self {
        self.log.name = Some(name.into());
        self
    }

    /// Adds a listener. It only observes; listeners run in the order in which they were added.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .listen(|event| println!("{event:?}"))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn listen(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Adds a hook that prepares each new connection. Its error fails the connect.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::connection::SimpleConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .on_connect(|connection, _info| Ok(connection.batch_execute("PRAGMA foreign_keys = ON")?))
    ///     .build()?;
    /// drop(engine.raw_connection()?); // connects, and so runs the hook
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn on_connect(mut self, hook: impl Fn(&mut C, &ConnectInfo<'_>) -> Result<()> + Send + Sync + 'static) -> Self {
        self.on_connect.push(Box::new(hook));
        self
    }

    /// Adds a hook that sees each connection before it is handed out, and may refuse it: with
    /// [`Refuse::Reconnect`] it is replaced, with [`Refuse::Error`] the checkout fails.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use aludel_core::pool::Refuse;
    ///
    /// let owner = std::process::id();
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     // SQLAlchemy's guard against a fork: what a parent has connected is replaced.
    ///     .on_checkout(move |_connection, _info| {
    ///         if std::process::id() == owner { Ok(()) } else { Err(Refuse::Reconnect) }
    ///     })
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn on_checkout(
        mut self,
        hook: impl Fn(&mut C, &CheckoutInfo) -> std::result::Result<(), Refuse> + Send + Sync + 'static,
    ) -> Self {
        self.on_checkout.push(Box::new(hook));
        self
    }

    /// Adds a hook that sees each error of the driver before anything is decided because of it, and may change the
    /// decision.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use aludel_core::Class;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .handle_error(|context| {
    ///         if context.message().starts_with("too hot") {
    ///             context.set_class(Class::Retry);
    ///         }
    ///     })
    ///     .build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn handle_error(mut self, hook: impl Fn(&mut ErrorContext<'_>) + Send + Sync + 'static) -> Self {
        self.handle_error.push(Box::new(hook));
        self
    }

    /// The clock to go by; for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A script of faults to run into; for tests.
    pub fn faults(mut self, script: FaultScript) -> Self {
        self.faults = Some(script);
        self
    }

    /// Builds the engine. Nothing is connected to.
    ///
    /// # Errors
    ///
    /// When the URL cannot be parsed, is of another dialect, or has a part that cannot act as its writer expects.
    pub fn build(self) -> Result<Engine<C>> {
        let url = self.url?;
        if !C::SCHEMES.contains(&url.scheme()) {
            return Err(Error::configuration(format!(
                "the URL is of scheme `{}`, but this engine's connection type takes {}://",
                url.scheme(),
                C::SCHEMES.join(":// or ")
            )));
        }
        let driver_url = C::driver_url(&url)?;
        let mut pool = self.pool;
        if url.is_sqlite_memory() && !self.sized {
            (pool.pool_size, pool.max_overflow) = (1, Some(0));
        }
        let log = self.log;
        let mut listeners: Vec<Box<Listener>> = Vec::new();
        let pool_log = log.clone();
        listeners.push(Box::new(move |event| pool_log.event(event)));
        let user: Listeners = Listeners::new(self.listeners);
        let forward = user.clone();
        listeners.push(Box::new(move |event| forward.emit(event)));
        let connector = EngineConnector {
            driver_url,
            setup: Setup::new(url.clone(), self.isolation_level),
            on_connect: self.on_connect,
            on_checkout: self.on_checkout,
        };
        Ok(Engine(Arc::new(Inner {
            pool: Pool::new(connector, pool, self.clock.clone(), Listeners::new(listeners)),
            url,
            clock: self.clock,
            listeners: user,
            handle_error: self.handle_error,
            log,
            faults: self.faults,
        })))
    }
}

impl<C: Dialect> fmt::Debug for EngineBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
