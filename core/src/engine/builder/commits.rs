//! Which commits are verified.

use std::time::Duration;

use super::EngineBuilder;
use crate::dialect::Dialect;

impl<C: Dialect> EngineBuilder<C> {
    /// Verifies every transaction that has written: before COMMIT it writes a token, by which
    /// [`Error::commit_token`](crate::Error::commit_token) and `resolve` find out later what has become of it, should the
    /// answer never come. It costs one INSERT a transaction (on MariaDB and MySQL a SELECT as well), and the table
    /// `aludel_commits`, which is made when it is first needed. Default false: single transactions and `#[retry]` functions
    /// can ask for it themselves.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").verify_commits(true).build()?;
    /// assert!(engine.verifies_commits());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn verify_commits(mut self, verify: bool) -> Self {
        self.commits.all = verify;
        self
    }

    /// How long a commit token can be resolved, by the server's clock; default 7 days. An older one is answered with
    /// [`Expired`](crate::verify::Resolution::Expired), and `purge_commit_tokens` removes what is older by another eighth of
    /// it (between a minute and a day). Every engine on one database should have the same.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let month = Duration::from_secs(30 * 24 * 3600);
    /// let engine =
    ///     Engine::<SqliteConnection>::builder("sqlite://:memory:").commit_token_retention(month).build()?;
    /// assert_eq!(engine.commit_token_retention(), month);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn commit_token_retention(mut self, retention: Duration) -> Self {
        self.commits.retention = retention;
        self
    }
}
