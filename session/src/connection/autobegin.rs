//! Whether a statement may begin a transaction.

use aludel_core::{Dialect, Error, Result};

use super::Connection;

/// Whether a transaction may begin, and with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Autobegin {
    /// With whatever needs one. *Exits:* a session that closes for good → `Closed`.
    #[default]
    On,
    /// Only where somebody asks for one. *Exits:* the same.
    Off,
    /// Not any more.
    Closed,
}

impl<C: Dialect> Connection<C> {
    /// A statement of the user's, or a flush, is about to begin a transaction by itself.
    pub(super) fn refuse_to_autobegin(&self) -> Result<()> {
        if self.autobegin == Autobegin::Off {
            return Err(Error::misuse(
                "Autobegin is disabled on this Session: a statement outside of a transaction is not sent; call begin, \
                 begin_nested or retry around it, or have autobegin(true) in its factory",
            ));
        }
        Ok(())
    }

    /// Whoever asks for a transaction on a session that was closed for good gets none.
    pub(crate) fn refuse_if_closed(&self) -> Result<()> {
        if self.autobegin == Autobegin::Closed {
            return Err(Error::misuse(
                "This Session has been permanently closed and is unable to handle any more transaction requests: its factory \
                 has close_resets_only(false); make another session, or use reset() in the place of close()",
            ));
        }
        Ok(())
    }

    /// Whether somebody else's transaction lies beneath whatever is begun here.
    pub(crate) fn is_guest(&self) -> bool {
        self.transaction.is_guest() || self.engine.attachment().is_some()
    }

    /// Whether that is a test's, which is never committed.
    pub(crate) fn is_in_a_test(&self) -> bool {
        self.transaction.is_of_a_test() || self.engine.attachment().is_some()
    }
}
