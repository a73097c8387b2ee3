//! The token that a connection obeys, and what is done where its transaction was left in the middle.

use aludel_core::{CancelToken, Dialect, Error, Event, Exit, OnExit, Result};

use super::Connection;
use crate::transaction::own_fault;

impl<C: Dialect> Connection<C> {
    /// The token that it obeys: the engine's, unless it was given another.
    pub fn cancel_token(&self) -> &CancelToken {
        self.cancel_token
            .as_ref()
            .unwrap_or_else(|| self.engine.own_cancel_token())
    }

    /// Gives it a token of its own, which it obeys from its next statement on and for as long as it exists; see
    /// [`Session::set_cancel_token`](crate::Session::set_cancel_token).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// connection.set_cancel_token(CancelToken::new()); // it may go on after the engine's was cancelled
    /// engine.cancel_token().cancel("shutting down");
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn set_cancel_token(&mut self, token: CancelToken) {
        self.cancel_token = Some(token);
    }

    /// Refuses to send anything but a ROLLBACK once its token was cancelled. The transaction remembers that, whatever
    /// becomes of the error on its way through the caller's code.
    #[inline]
    pub(crate) fn refuse_if_cancelled(&mut self) -> Result<()> {
        if !self.cancel_token().is_cancelled() {
            return Ok(());
        }
        self.stopped = true;
        self.cancel_token().check().map_err(Error::from)
    }

    /// Refuses a COMMIT as well where a statement was refused in its transaction, which is without it: whoever swallowed that,
    /// and has given the connection another token since.
    pub(crate) fn refuse_if_stopped(&mut self) -> Result<()> {
        self.refuse_if_cancelled()?;
        if self.stopped {
            return Err(Exit::new("a part of the transaction was stopped before").into());
        }
        Ok(())
    }

    /// Somebody has left in the middle of the transaction, which is lost: the connection is closed, or kept for the ROLLBACK
    /// that ends the transaction where the engine is told so and nothing was going on. The pool stays.
    pub(crate) fn left_in_the_middle(&mut self, reason: &str) {
        let number = self.number();
        let news = self.transaction.is_live();
        let keep = self.stays_after_an_exit();
        if keep {
            self.settle();
        } else {
            self.transaction.forget_unsettled();
        }
        self.transaction
            .doom_root(&own_fault(format!("{reason} interrupted the transaction")));
        if !keep {
            self.discard(reason);
            self.transaction.set_streaming(false);
        }
        if news {
            self.engine().emit(&Event::Doomed {
                connection: number,
                cause: reason,
            });
        }
    }

    /// Whether a ROLLBACK is enough: no call to the driver was cut short, and no rows were being read.
    pub(crate) fn stays_after_an_exit(&self) -> bool {
        self.engine().on_exit() == OnExit::RollbackIfIdle && !self.is_busy() && !self.transaction.is_streaming()
    }
}
