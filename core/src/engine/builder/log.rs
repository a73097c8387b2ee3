//! What is shown, and under which name.

use super::EngineBuilder;
use crate::dialect::Dialect;
use crate::log::Echo;

impl<C: Dialect> EngineBuilder<C> {
    /// Shows each statement, through `tracing` if the program has set that up and on standard error otherwise; with
    /// [`Echo::Debug`] (SQLAlchemy's `"debug"`) rows as well. Default [`Echo::Off`]; [`Engine::set_echo`] changes it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Echo, Engine};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").echo(true).echo_pool(Echo::Debug).build()?;
    /// drop(engine.raw_connection()?); // DEBUG aludel.pool.e1 #1 Created new connection 1, and so on
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// [`Engine::set_echo`]: crate::Engine::set_echo
    pub fn echo(mut self, echo: impl Into<Echo>) -> Self {
        self.log.echo = echo.into();
        self
    }

    /// Shows what the pool invalidates, recycles and disposes of; with [`Echo::Debug`] checkouts, returns and resets as
    /// well. Default [`Echo::Off`]; [`Engine::set_echo_pool`] changes it.
    ///
    /// [`Engine::set_echo_pool`]: crate::Engine::set_echo_pool
    pub fn echo_pool(mut self, echo: impl Into<Echo>) -> Self {
        self.log.echo_pool = echo.into();
        self
    }

    /// Keeps bind values and rows out of what is shown; default true. With false they appear, long ones shortened in
    /// their middle and long lists cut there. Events contain none of ours either way, and errors only with
    /// [`parameters_in_errors`](Self::parameters_in_errors); a server may quote one in its own words.
    pub fn hide_parameters(mut self, hide: bool) -> Self {
        self.log.hide_parameters = hide;
        self
    }

    /// Adds the statement and its bind values to what the driver's errors say, shortened as in the log; default false.
    /// Of no effect while [`hide_parameters`](Self::hide_parameters) is true.
    pub fn parameters_in_errors(mut self, show: bool) -> Self {
        self.log.parameters_in_errors = show;
        self
    }

    /// A name that log lines carry, to tell engines apart. Default: `e` and a number that is unique in the process.
    pub fn logging_name(mut self, name: impl Into<String>) -> Self {
        self.log.name = Some(name.into());
        self
    }

    /// A name that log lines and metrics of the pool carry. Default: the engine's.
    pub fn pool_logging_name(mut self, name: impl Into<String>) -> Self {
        self.log.pool_name = Some(name.into());
        self
    }

    /// What stands before each statement's line, in brackets, on connections that have no token of their own
    /// (SQLAlchemy's execution option `logging_token`). Default: nothing.
    pub fn logging_token(mut self, token: impl Into<String>) -> Self {
        self.log.token = Some(token.into());
        self
    }

    /// Counts the pool's timeouts, and measures how long connections are made, waited for and used, for
    /// [`Engine::metrics`](crate::Engine::metrics) and as `tracing` events (target `aludel.metrics`, level DEBUG) that
    /// `tracing-opentelemetry` turns into instruments. Default false, since it costs two looks at the clock a checkout.
    pub fn pool_metrics(mut self, measure: bool) -> Self {
        self.pool_metrics = measure;
        self
    }
}
