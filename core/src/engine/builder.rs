//! The options of an engine, under SQLAlchemy's names.

mod commits;
pub(super) mod connect;
mod exits;
mod hooks;
mod log;
mod options;
mod pool;
mod retries;
mod testing;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::commits::Commits;
use super::connector::{CheckoutHook, ConnectHook, DefaultLevel, EngineConnector, FirstConnect};
use super::error_context::{ErrorHook, ErrorHooks};
use super::keeper::Keeper;
use super::maker::Maker;
use super::writes::Writes;
use super::{Engine, ExecutionOptions, Inner};
use crate::cancel::CancelToken;
use crate::clock::Clock;
use crate::dialect::{Characteristics, Dialect, Setup};
use crate::error::{Error, OnExit, Result};
use crate::event::{Listener, Listeners};
use crate::log::{Log, LogOptions, Meter};
use crate::pool::{AnyKind, Pool, PoolOptions, Queue, ThreadLocal};
use crate::retry::{Retries, RetryBudget, RetryPolicy};
use crate::testing::FaultScript;
use crate::url::Url;

/// Collects the options of an [`Engine`] (`create_engine` in SQLAlchemy). [`EngineConfig`](crate::EngineConfig) takes the
/// same options as text.
///
/// There are no plugins. A function that takes a builder and gives it back does what one would do:
/// `fn audited<C: Dialect>(builder: EngineBuilder<C>) -> EngineBuilder<C>`.
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
    pub(in crate::engine) url: Result<Url>,
    pub(in crate::engine) connect_args: Vec<(String, String)>,
    maker: Option<Box<dyn Maker<C>>>,
    pool: PoolOptions,
    /// The kind that was asked for; else the URL decides.
    kind: Option<AnyKind<C>>,
    /// The first option that only a queue of connections has a use for.
    sized: Option<&'static str>,
    characteristics: Characteristics,
    execution_options: ExecutionOptions,
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
    cancel_token: CancelToken,
    on_exit: OnExit,
    refuse_implicit_commits: bool,
    commits: Commits,
    retry_policy: RetryPolicy,
    retry_budget: RetryBudget,
    writes: Writes,
}

impl<C: Dialect> EngineBuilder<C> {
    pub(in crate::engine) fn new(url: Result<Url>) -> Self {
        Self {
            url,
            connect_args: Vec::new(),
            maker: None,
            pool: PoolOptions::default(),
            kind: None,
            sized: None,
            characteristics: Characteristics::default(),
            execution_options: ExecutionOptions::new(),
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
            cancel_token: CancelToken::new(),
            on_exit: OnExit::default(),
            refuse_implicit_commits: false,
            commits: Commits::default(),
            retry_policy: RetryPolicy::new(),
            retry_budget: RetryBudget::default(),
            writes: Writes::default(),
        }
    }

    /// Builds the engine. Nothing is connected to.
    ///
    /// # Errors
    ///
    /// When the URL cannot be parsed, is of another dialect, or it or the `connect_args` have a part that cannot act as
    /// its writer expects; or when an option asks for what the database does not have.
    pub fn build(self) -> Result<Engine<C>> {
        let url = self.url?;
        let target = connect::target::<C>(&url, &self.connect_args, self.maker)?;
        let kind = choose(self.kind, self.sized, &target.url)?;
        self.characteristics.check(C::FLAVOUR)?;
        let connected = self.characteristics.over(C::characteristics_of(&target.url));
        let execution_options = self.execution_options.checked::<C>()?.over(connected);
        self.retry_policy.characteristics().check(C::FLAVOUR)?;
        options::check_full_reset(&target.url, self.pool.reset_on_return)?;
        let log = Log::new(self.log, self.pool.reset_on_return);
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
        let default_isolation_level = DefaultLevel::default();
        let connector = EngineConnector {
            maker: target.maker,
            keeper: target.url.is_shared_memory().then(Keeper::new),
            setup: Setup::new(target.url, connected),
            default_isolation_level: default_isolation_level.clone(),
            first_connect: FirstConnect::new(self.on_first_connect),
            on_connect: self.on_connect,
            on_checkout: self.on_checkout,
            handle_error: Arc::clone(&handle_error),
            meter,
            faults: self.faults.clone(),
        };
        let inner = Inner {
            pool: Pool::of_kind(kind, connector, self.pool, self.clock.clone(), listeners.clone()),
            url,
            connected,
            default_isolation_level,
            clock: self.clock,
            listeners,
            handle_error,
            log,
            faults: self.faults,
            cancel_token: self.cancel_token,
            on_exit: self.on_exit,
            refuse_implicit_commits: self.refuse_implicit_commits,
            commits: self.commits,
            retries: Arc::new(Retries::new(self.retry_policy, self.retry_budget)),
            writes: self.writes,
            statement_limit: AtomicU64::new(super::retries::UNKNOWN),
        };
        Ok(Engine(Arc::new(inner), execution_options, None))
    }
}

/// A database in memory lives and dies with its connection, so each thread keeps one; unless somebody speaks of sizes or
/// of an order, and so of a queue.
fn choose<C: Dialect>(kind: Option<AnyKind<C>>, sized: Option<&str>, url: &Url) -> Result<AnyKind<C>> {
    let Some(kind) = kind else {
        let private = url.is_sqlite_memory() && !url.is_shared_memory() && sized.is_none();
        return Ok(if private { ThreadLocal.into() } else { Queue.into() });
    };
    match sized {
        Some(option) if kind.name() != "QueuePool" => Err(Error::configuration(format!(
            "`{option}` has no meaning for the kind {}: leave it out, or choose pool::Queue",
            kind.name()
        ))),
        _ => Ok(kind),
    }
}

impl<C: Dialect> fmt::Debug for EngineBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
