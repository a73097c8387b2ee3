//! What a holder may do with, and say about, the raw connection that its session has on loan.

use aludel_core::{Dialect, Result};

use super::Session;

impl<C: Dialect> Session<C> {
    /// Has the raw connection closed when it is given back, and not before; see
    /// [`Connection::soft_invalidate`](crate::Connection::soft_invalidate).
    pub fn soft_invalidate(&mut self, reason: &str) {
        self.connection.soft_invalidate(reason);
    }

    /// Takes the raw connection out of the pool until the end of the transaction, at which a session gives it back; see
    /// [`Connection::detach`](crate::Connection::detach).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn detach_connection(&mut self) -> Result<()> {
        self.connection.detach()
    }

    /// The number by which the server knows this connection; see [`Connection::backend_id`](crate::Connection::backend_id).
    ///
    /// # Errors
    ///
    /// When no connection could be made, or the server did not answer.
    pub fn backend_id(&mut self) -> Result<Option<i64>> {
        self.about_to_use()?;
        self.connection.backend_id()
    }

    /// Lends the raw connection; see [`Connection::with_raw`](crate::Connection::with_raw).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// session.with_raw(|raw: &mut SqliteConnection| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(raw)?;
    ///     Ok(())
    /// })?;
    /// session.commit()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the closure, of connecting, and of writing what is pending.
    pub fn with_raw<T>(&mut self, f: impl FnOnce(&mut C) -> Result<T>) -> Result<T> {
        self.about_to_use()?;
        self.objects.expire_all();
        self.connection.with_raw(f)
    }
}
