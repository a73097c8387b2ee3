//! How sessions are stopped, and what they refuse to do.

use super::EngineBuilder;
use crate::cancel::CancelToken;
use crate::dialect::Dialect;
use crate::error::OnExit;

impl<C: Dialect> EngineBuilder<C> {
    /// The token that the engine's sessions obey, such as a child of the program's own; default: a new one
    /// ([`Engine::cancel_token`](crate::Engine::cancel_token)).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{CancelToken, Engine};
    /// use diesel::SqliteConnection;
    ///
    /// let program = CancelToken::new();
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .cancel_token(program.child_token())
    ///     .build()?;
    /// program.cancel("shutting down");
    /// assert!(engine.cancel_token().is_cancelled());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn cancel_token(mut self, token: CancelToken) -> Self {
        self.cancel_token = token;
        self
    }

    /// What becomes of a connection that somebody left in the middle of a transaction, by a panic or with an
    /// [`Exit`](crate::Exit). Default: [`OnExit::Invalidate`].
    pub fn on_exit(mut self, on_exit: OnExit) -> Self {
        self.on_exit = on_exit;
        self
    }

    /// Whether a statement that would commit its transaction by the way is refused: `CREATE TABLE`, `LOCK TABLES` and the
    /// like on MariaDB and MySQL, which commit what was written before them and cannot be rolled back themselves. Default
    /// false: they are sent, a new transaction goes on, and a warning and [`Event::ImplicitCommit`](crate::Event) say so.
    ///
    /// Refused is what stands in a statement's text (<https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/>);
    /// what a procedure does is asked about afterwards. In AUTOCOMMIT nothing is refused: that is where schema changes
    /// belong then. SQLite and PostgreSQL roll them back like anything else, and refuse nothing.
    pub fn refuse_implicit_commits(mut self, refuse: bool) -> Self {
        self.refuse_implicit_commits = refuse;
        self
    }
}
