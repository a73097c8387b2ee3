//! Options of one connection that outlive its transaction and change nothing on the server.

use std::sync::Arc;

use aludel_core::pool::Checkout;
use aludel_core::{Dialect, Event};

use super::Connection;

impl<C: Dialect> Connection<C> {
    /// What stands before each of its lines in the log, in brackets; `None` for the engine's
    /// (`logging_token` among SQLAlchemy's execution options). It outlives the transaction.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").echo(true).build()?;
    /// let mut connection = engine.connect();
    /// connection.set_logging_token(Some("import 7"));
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?; // INFO  aludel.engine.e1 #1 [import 7] SELECT 1
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn set_logging_token(&mut self, token: Option<&str>) {
        self.logging_token = token.map(Arc::from);
        self.option_was_set("logging_token");
    }

    /// Keeps the engine's `handle_error` hooks away from the errors of this connection, or lets them see them again
    /// (`skip_user_error_events` among SQLAlchemy's execution options). Default false. It outlives the transaction.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .handle_error(|context| panic!("{}", context.message()))
    ///     .build()?;
    /// let mut connection = engine.connect();
    /// connection.set_skip_user_error_events(true);
    /// assert!(diesel::sql_query("SELECT * FROM missing").execute(&mut connection).is_err());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn set_skip_user_error_events(&mut self, skip: bool) {
        self.transaction.skip_user_error_events = skip;
        self.option_was_set("skip_user_error_events");
    }

    fn option_was_set(&self, option: &str) {
        let connection = self.checkout.as_ref().map_or(0, Checkout::id);
        self.engine.emit(&Event::SetExecutionOptions { connection, option });
    }
}
