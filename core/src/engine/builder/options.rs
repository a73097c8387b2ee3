//! How transactions run unless they say otherwise.

use super::EngineBuilder;
use crate::dialect::{AccessMode, Deferrable, Dialect, IsolationLevel};
use crate::engine::ExecutionOptions;
use crate::error::{Error, Result};
use crate::pool::ResetOnReturn;
use crate::url::Url;

impl<C: Dialect> EngineBuilder<C> {
    /// The isolation level of every transaction; default: the server's. It is set once a connection, so that
    /// [`raw_connection`](crate::Engine::raw_connection) has it as well, and costs nothing afterwards.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.characteristics.isolation_level = Some(level);
        self
    }

    /// Whether transactions may write; default: what the server says. Set once a connection.
    pub fn access_mode(mut self, mode: AccessMode) -> Self {
        self.characteristics.access_mode = Some(mode);
        self
    }

    /// Whether transactions that are serializable and read-only may wait to begin; default: what the server says, which
    /// must be PostgreSQL. Set once a connection.
    pub fn deferrable(mut self, deferrable: Deferrable) -> Self {
        self.characteristics.deferrable = Some(deferrable);
        self
    }

    /// Options that this engine has and its connections are not set up with, as if
    /// [`Engine::execution_options`](crate::Engine::execution_options) were called on what is built.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, ExecutionOptions, IsolationLevel};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))
    ///     .build()?;
    /// assert!(engine.characteristics().is_autocommit());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn execution_options(mut self, options: ExecutionOptions) -> Self {
        self.execution_options = options;
        self
    }
}

/// SQLite can only be reset by being replaced, and a database in memory would go with its connection.
pub(super) fn check_full_reset(url: &Url, how: ResetOnReturn) -> Result<()> {
    if how == ResetOnReturn::Full && url.is_sqlite_memory() {
        return Err(Error::configuration(
            "pool_reset_on_return(ResetOnReturn::Full) replaces a SQLite connection, and a database in memory would be \
             lost with it; use ResetOnReturn::Rollback, or a file",
        ));
    }
    Ok(())
}
