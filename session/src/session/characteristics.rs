//! How the transactions of a session run.

use aludel_core::{AccessMode, Dialect, ExecutionOptions, IsolationLevel, Result};

use super::Session;
use crate::transaction::TransactionBuilder;
use crate::transaction::scope::{Change, Unit as _};

impl<C: Dialect> Session<C> {
    /// Changes how the transactions of this session run, from the next one on; see [`Connection::execution_options`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// session.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    /// diesel::sql_query("VACUUM").execute(&mut session)?; // refused in any transaction
    /// assert!(!session.in_transaction());
    /// let refused = session.begin(|_| Ok(())).unwrap_err();
    /// assert!(refused.to_string().starts_with("begin or #[retry] was called in AUTOCOMMIT"));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database does not have what is asked for, and while a transaction is open.
    ///
    /// [`Connection::execution_options`]: crate::Connection::execution_options
    pub fn execution_options(&mut self, options: ExecutionOptions) -> Result<&mut Self> {
        let stood_for_themselves = self.connection.transaction.is_autocommit();
        self.connection.execution_options(options)?;
        if stood_for_themselves {
            self.follow(Change::Committed);
        }
        Ok(self)
    }

    /// Builds one transaction with an isolation level and a mode of its own, which beat those of session and engine.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mode = engine.session().build_transaction().read_only().run(|session| session.access_mode())?;
    /// assert_eq!(mode, AccessMode::ReadOnly);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_, Self> {
        TransactionBuilder::new(self)
    }

    /// The isolation level of the open transaction, or of the next one; see [`Connection::isolation_level`].
    ///
    /// # Errors
    ///
    /// When no connection could be made, when the server did not answer, and in a transaction that has failed.
    ///
    /// [`Connection::isolation_level`]: crate::Connection::isolation_level
    pub fn isolation_level(&mut self) -> Result<IsolationLevel> {
        self.connection.isolation_level()
    }

    /// Whether the open transaction may write, or the next one could; see [`Connection::access_mode`].
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// [`Connection::access_mode`]: crate::Connection::access_mode
    pub fn access_mode(&mut self) -> Result<AccessMode> {
        self.connection.access_mode()
    }
}
