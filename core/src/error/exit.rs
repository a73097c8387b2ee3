//! Leaving on purpose.

use std::error::Error as StdError;
use std::fmt;

/// An error that any closure may return to leave at once: a shutdown, a cancellation, the caller's own timeout.
///
/// It passes through every transaction unwrapped, is never rerun, and closes the one connection that was in use, since
/// nobody knows in which state the caller left it (SQLAlchemy treats `KeyboardInterrupt` and the like in this way;
/// [`OnExit`] has the alternative). A session whose [`CancelToken`](crate::CancelToken) was cancelled answers one by itself.
///
/// It is seen as our own [`Error`](crate::Error), bare or in a boxed `dyn std::error::Error + Send + Sync`. Wrapped in an
/// error type of the caller's, or returned from a closure of Diesel's own `transaction()`, it is an error like any other:
/// the transaction is rolled back, and its connection is returned. (One that a token made the session answer is remembered
/// by the session, whatever becomes of it on the way.)
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

/// What becomes of the connection that somebody left in the middle of a transaction, by a panic or with an [`Exit`].
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, OnExit};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .on_exit(OnExit::RollbackIfIdle)
///     .build()?;
/// assert_eq!(engine.on_exit(), OnExit::RollbackIfIdle);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnExit {
    /// It is closed, and the server rolls back: the default, and SQLAlchemy's rule. It costs the next borrower a connect,
    /// and is right whatever was interrupted.
    #[default]
    Invalidate,
    /// It gets a ROLLBACK and is kept, where no call to the driver was cut short and no rows were being read; otherwise it is
    /// closed. For programs in which exits are everyday business, such as requests that are cancelled.
    RollbackIfIdle,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Exit {}
