//! Options that a sub-engine, a connection or a session may have of its own.

use super::Engine;
use crate::dialect::{AccessMode, Characteristics, Deferrable, Dialect, IsolationLevel};
use crate::error::Result;

/// How transactions run, for whoever is given these options: a sub-engine ([`Engine::execution_options`]), a connection
/// or a session (`execution_options` in SQLAlchemy).
///
/// What is not named stays as it is further out; what is named beats it: a transaction's own words come first, then those
/// of its session or connection, then those of the sub-engine, of the engine, and of the server.
///
/// ```
/// use aludel_core::{ExecutionOptions, IsolationLevel};
///
/// const REPORTS: ExecutionOptions =
///     ExecutionOptions::new().isolation_level(IsolationLevel::Serializable).read_only().deferrable();
/// const PLAIN_STATEMENTS: ExecutionOptions = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
/// # assert_ne!(REPORTS, PLAIN_STATEMENTS);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "options act where they are set"]
pub struct ExecutionOptions {
    characteristics: Characteristics,
}

impl ExecutionOptions {
    /// None.
    pub const fn new() -> Self {
        Self {
            characteristics: Characteristics {
                isolation_level: None,
                access_mode: None,
                deferrable: None,
            },
        }
    }

    /// The isolation level of each transaction; [`IsolationLevel::Autocommit`] for no transactions.
    pub const fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.characteristics.isolation_level = Some(level);
        self
    }

    /// Whether transactions may write.
    ///
    /// ```
    /// use aludel_core::{AccessMode, ExecutionOptions};
    ///
    /// let options = ExecutionOptions::new().access_mode(AccessMode::parse("read only")?);
    /// assert_eq!(options, ExecutionOptions::new().read_only());
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub const fn access_mode(mut self, mode: AccessMode) -> Self {
        self.characteristics.access_mode = Some(mode);
        self
    }

    /// Transactions may not write (`postgresql_readonly` in SQLAlchemy).
    pub const fn read_only(self) -> Self {
        self.access_mode(AccessMode::ReadOnly)
    }

    /// Transactions may write.
    pub const fn read_write(self) -> Self {
        self.access_mode(AccessMode::ReadWrite)
    }

    /// Transactions that are serializable and read-only may wait until they can run without ever being aborted;
    /// PostgreSQL only (`postgresql_deferrable` in SQLAlchemy).
    pub const fn deferrable(mut self) -> Self {
        self.characteristics.deferrable = Some(Deferrable::Deferrable);
        self
    }

    /// They begin at once; PostgreSQL only.
    pub const fn not_deferrable(mut self) -> Self {
        self.characteristics.deferrable = Some(Deferrable::NotDeferrable);
        self
    }

    /// What they say of transactions.
    pub const fn characteristics(self) -> Characteristics {
        self.characteristics
    }

    /// These, once it is known that the database has what they ask for.
    ///
    /// # Errors
    ///
    /// When it does not; the text names what it has.
    #[doc(hidden)]
    pub fn checked<C: Dialect>(self) -> Result<Self> {
        self.characteristics.check(C::FLAVOUR)?;
        Ok(self)
    }

    /// These, and what is said further out of the rest.
    #[doc(hidden)]
    pub const fn over(mut self, outer: Characteristics) -> Self {
        self.characteristics = self.characteristics.over(outer);
        self
    }
}

impl<C: Dialect> Engine<C> {
    /// A sub-engine with options of its own: the same pool, listeners and hooks, and other transactions
    /// (`Engine.execution_options` in SQLAlchemy). It is as cheap as a clone. [`dispose`](Self::dispose) of any of them
    /// acts on the pool that they share.
    ///
    /// What is set here comes with each BEGIN: on PostgreSQL in its words, at no cost; on MariaDB and MySQL a level costs
    /// one round trip a transaction. [`raw_connection`](Self::raw_connection) begins nothing, and so has only what the
    /// engine was built with.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, ExecutionOptions, IsolationLevel};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let autocommit = engine.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    /// let reader = engine.execution_options(ExecutionOptions::new().read_only())?;
    /// drop(autocommit.raw_connection()?);
    /// assert_eq!(reader.pool().checkedin(), 1); // it is one pool
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database does not have what is asked for; the text names what it has.
    pub fn execution_options(&self, options: ExecutionOptions) -> Result<Self> {
        let options = options.checked::<C>()?.over(self.characteristics());
        Ok(Self(self.0.clone(), options, self.2.clone()))
    }

    /// What the transactions of this engine have unless they say otherwise: its own options over those that it was built
    /// with.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{AccessMode, Engine, ExecutionOptions};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let reader = engine.execution_options(ExecutionOptions::new().read_only())?;
    /// assert_eq!(reader.characteristics().access_mode, Some(AccessMode::ReadOnly));
    /// assert!(engine.characteristics().is_empty());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn characteristics(&self) -> Characteristics {
        self.1.characteristics()
    }

    /// What every connection of the pool was set up with. For the layers above.
    #[doc(hidden)]
    pub fn connected_with(&self) -> Characteristics {
        self.0.connected
    }

    /// The isolation level that the server gave to the first connection, before anything was set
    /// (`default_isolation_level` in SQLAlchemy). It is asked for once an engine, and again with the next connection while
    /// no answer has come; `None` before that.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, IsolationLevel};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .isolation_level(IsolationLevel::ReadUncommitted)
    ///     .build()?;
    /// assert_eq!(engine.default_isolation_level(), None); // nothing is connected to yet
    /// drop(engine.raw_connection()?);
    /// assert_eq!(engine.default_isolation_level(), Some(IsolationLevel::Serializable));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn default_isolation_level(&self) -> Option<IsolationLevel> {
        self.0.default_isolation_level.get().copied()
    }
}
