//! What a holder may say about the raw connection that it has on loan.

use aludel_core::{Dialect, Error, Result};

use super::Connection;

impl<C: Dialect> Connection<C> {
    /// Takes the raw connection out of the pool, whose place is free at once (`Connection.detach` in SQLAlchemy). It goes
    /// on as before, transaction and all, and is closed for good where it would have been given back: by
    /// [`close`](Self::close), or by the end of this connection.
    ///
    /// For those who change a connection for good, or keep it for hours.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// connection.detach()?;
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?;
    /// assert_eq!((engine.pool().checkedout(), engine.pool().status().detached), (0, 1));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection could be made; and after a connection was lost with its transaction, until that is rolled back.
    pub fn detach(&mut self) -> Result<()> {
        self.settle();
        if self.in_transaction() && !self.is_connected() {
            return Err(Error::misuse(
                "detach() of a connection that was lost with its transaction: call rollback() first, and the next one can \
                 be detached",
            ));
        }
        self.connected()?.detach();
        Ok(())
    }

    /// Whether the raw connection was taken out of the pool by [`detach`](Self::detach).
    pub fn is_detached(&self) -> bool {
        self.checkout
            .as_ref()
            .is_some_and(aludel_core::pool::Checkout::is_detached)
    }

    /// Has the raw connection closed instead of pooled when it is given back, and not before: the transaction goes on
    /// (`invalidate(soft=True)` in SQLAlchemy). Without a raw connection there is nothing to do.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://soft?mode=memory&cache=shared")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    /// connection.soft_invalidate("its settings were changed by hand");
    /// connection.commit()?; // nothing is lost
    /// connection.close()?;
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 1));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn soft_invalidate(&mut self, reason: &str) {
        if let Some(checkout) = &mut self.checkout {
            checkout.soft_invalidate(reason);
        }
    }
}
