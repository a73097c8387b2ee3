//! The engine: one database, its pool, and what every connection of it has in common.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::dialect::{Characteristics, Dialect};
use crate::error::{Error, Result};
use crate::event::{Event, Listeners};
use crate::fault::Fault;
use crate::log::Log;
use crate::pool::{Checkout, Pool, PoolError};
use crate::testing::FaultScript;
use crate::url::Url;

use connector::DefaultLevel;

mod builder;
mod config;
mod connector;
mod error_context;
mod execution_options;
mod keeper;
mod maker;

pub use builder::EngineBuilder;
pub use config::EngineConfig;
pub use connector::ConnectInfo;
pub use error_context::ErrorContext;
pub use execution_options::ExecutionOptions;

type ErrorHook = dyn Fn(&mut ErrorContext<'_>) + Send + Sync;

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
pub struct Engine<C: Dialect>(Arc<Inner<C>>, ExecutionOptions);

struct Inner<C: Dialect> {
    url: Url,
    /// What every connection of the pool was set up with.
    connected: Characteristics,
    default_isolation_level: DefaultLevel,
    pool: Pool<C>,
    clock: Clock,
    listeners: Listeners,
    handle_error: Vec<Box<ErrorHook>>,
    log: Log,
    faults: Option<FaultScript>,
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
        let timeout = self.0.pool.options().pool_timeout;
        self.0.pool.checkout_for(place, timeout).map_err(from_pool)
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
    }

    /// Tells the listeners. For the layers above.
    #[doc(hidden)]
    pub fn emit(&self, event: &Event<'_>) {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.0.log.event(event);
            self.0.listeners.emit(event);
        }));
        if told.is_err() {
            tracing::error!(target: "aludel.session", "a listener panicked; listeners only observe");
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

    /// A number that no other session of this engine has. For the layers above.
    #[doc(hidden)]
    pub fn next_session_number(&self) -> u64 {
        static SESSIONS: AtomicU64 = AtomicU64::new(1);
        SESSIONS.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets the user's `handle_error` hooks change what the classifier said. For the layers above.
    #[doc(hidden)]
    pub fn reconsider(&self, fault: Fault) -> Fault {
        if self.0.handle_error.is_empty() {
            return fault;
        }
        let mut context = ErrorContext::new(&fault);
        for hook in &self.0.handle_error {
            hook(&mut context);
        }
        let verdict = context.verdict();
        fault.with_verdict(verdict)
    }
}

/// A pool's error is ours already when our own connector made it.
fn from_pool(error: PoolError) -> Error {
    match error {
        PoolError::Connect(source) => match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(source) => Error::from(PoolError::Connect(source)),
        },
        other => Error::from(other),
    }
}

impl<C: Dialect> Clone for Engine<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

impl<C: Dialect> fmt::Debug for Engine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.0.url)
    }
}
