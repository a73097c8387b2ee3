//! The options of an engine, under SQLAlchemy's names.

mod hooks;
mod log;
mod options;
mod pool;
mod testing;

use std::fmt;
use std::sync::Arc;

use super::connector::{CheckoutHook, ConnectHook, EngineConnector, FirstConnect};
use super::error_context::{ErrorHook, ErrorHooks};
use super::{Engine, Inner};
use crate::clock::Clock;
use crate::dialect::{Dialect, IsolationLevel, Setup};
use crate::error::{Error, Result};
use crate::event::{Listener, Listeners};
use crate::log::{Log, LogOptions, Meter};
use crate::pool::{Pool, PoolOptions};
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
    log: LogOptions,
    pool_metrics: bool,
    clock: Clock,
    listeners: Vec<Box<Listener>>,
    statement_listeners: Vec<Box<Listener>>,
    on_first_connect: Vec<Box<ConnectHook<C>>>,
    on_connect: Vec<Box<ConnectHook<C>>>,
    on_checkout: Vec<Box<CheckoutHook<C>>>,
    handle_error: Vec<Box<ErrorHook>>,
    faults: Option<FaultScript>,
}

impl<C: Dialect> EngineBuilder<C> {
    pub(in crate::engine) fn new(url: Result<Url>) -> Self {
        Self {
            url,
            pool: PoolOptions::default(),
            sized: false,
            isolation_level: None,
            log: LogOptions::default(),
            pool_metrics: false,
            clock: Clock::system(),
            listeners: Vec::new(),
            statement_listeners: Vec::new(),
            on_first_connect: Vec::new(),
            on_connect: Vec::new(),
            on_checkout: Vec::new(),
            handle_error: Vec::new(),
            faults: None,
        }
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
            (pool.pool_size, pool.max_overflow) = (1.into(), 0.into());
        }
        let log = Log::new(self.log, pool.reset_on_return);
        let meter = self
            .pool_metrics
            .then(|| Meter::new(self.clock.clone(), log.pool_name()));
        let listeners = Listeners::of_engine(
            Some(log.clone()),
            meter.clone(),
            self.listeners,
            self.statement_listeners,
        );
        let handle_error = Arc::new(ErrorHooks::new(self.handle_error));
        let connector = EngineConnector {
            driver_url,
            setup: Setup::new(url.clone(), self.isolation_level),
            first_connect: FirstConnect::new(self.on_first_connect),
            on_connect: self.on_connect,
            on_checkout: self.on_checkout,
            handle_error: Arc::clone(&handle_error),
            meter,
        };
        Ok(Engine(Arc::new(Inner {
            pool: Pool::new(connector, pool, self.clock.clone(), listeners.clone()),
            url,
            clock: self.clock,
            listeners,
            handle_error,
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
