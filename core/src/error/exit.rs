//! Leaving on purpose.

use std::error::Error as StdError;
use std::fmt;

/// An error that any closure may return to leave at once: a shutdown, a cancellation, the caller's own timeout.
///
/// It passes through every transaction unwrapped, is never rerun, and closes the one connection that was in use, since
/// nobody knows in which state the caller left it (SQLAlchemy treats `KeyboardInterrupt` and the like in this way).
///
/// It is seen as our own [`Error`](crate::Error), bare or in a boxed `dyn std::error::Error + Send + Sync`. Wrapped in an
/// error type of the caller's, or returned from a closure of Diesel's own `transaction()`, it is an error like any other:
/// the transaction is rolled back, and its connection is returned.
///
/// ```
/// use aludel_core::{Error, Exit};
///
/// let error = Error::from(Exit::new("shutting down"));
/// assert!(error.is_exit());
/// ```
#[derive(Clone, Debug)]
pub struct Exit(String);

impl Exit {
    /// An exit for a reason that its readers will understand.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Exit {}
