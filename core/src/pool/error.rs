//! Why a checkout failed.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::connector::BoxError;

/// Why a checkout failed.
///
/// ```
/// use aludel_core::{clock::Clock, event::Listeners, pool::{Managed, Pool, PoolError, PoolOptions}};
/// # struct Down;
/// # impl r2d2::ManageConnection for Down {
/// #     type Connection = u32;
/// #     type Error = std::io::Error;
/// #     fn connect(&self) -> Result<u32, Self::Error> { Err(std::io::Error::other("refused")) }
/// #     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
/// #     fn has_broken(&self, _: &mut u32) -> bool { false }
/// # }
///
/// let pool = Pool::new(Managed(Down), PoolOptions::default(), Clock::system(), Listeners::default());
/// match pool.checkout() {
///     Err(PoolError::Connect(cause)) => assert_eq!(cause.to_string(), "refused"), // at once
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Every connection was in use for the whole timeout (SQLAlchemy's `TimeoutError`, code 3o7r).
    #[error(
        "QueuePool limit of size {size} overflow {overflow} reached, connection timed out, timeout {:.2}{}",
        timeout.as_secs_f64(), Held(holders)
    )]
    Timeout {
        /// `pool_size`.
        size: usize,
        /// `max_overflow`.
        overflow: usize,
        /// How long the caller was ready to wait.
        timeout: Duration,
        /// How long it waited.
        waited: Duration,
        /// Who had the connections when it gave up, the longest first.
        holders: Vec<Holder>,
    },
    /// No connection could be made.
    #[error("could not connect to the database")]
    Connect(#[source] BoxError),
    /// The checkout hook answered [`Refuse::Error`](super::Refuse::Error).
    #[error("the checkout hook refused the connection")]
    Refused(#[source] BoxError),
    /// The checkout hook refused the connection and every replacement of it.
    #[error("the checkout hook refused the connection and {replaced} new ones in its place")]
    RefusedAgain {
        /// How many replacements were made.
        replaced: u32,
    },
}

/// Who has a connection: a line of a [`PoolError::Timeout`], and of [`Pool::holders`](super::Pool::holders).
///
/// ```
/// # use aludel_core::{clock::Clock, event::Listeners, pool::{Managed, Pool, PoolOptions}};
/// # struct Manager;
/// # impl r2d2::ManageConnection for Manager {
/// #     type Connection = u32;
/// #     type Error = std::io::Error;
/// #     fn connect(&self) -> Result<u32, Self::Error> { Ok(7) }
/// #     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
/// #     fn has_broken(&self, _: &mut u32) -> bool { false }
/// # }
/// # let pool = Pool::new(Managed(Manager), PoolOptions::default(), Clock::system(), Listeners::default());
/// let checkout = pool.checkout()?;
/// let holder = &pool.holders()[0];
/// assert_eq!(holder.connection, Some(checkout.id()));
/// println!("{holder}"); // connection 1 checked out at src/main.rs:8:21 0.0 s ago by thread main
/// # Ok::<(), aludel_core::pool::PoolError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// Number of the connection; `None` while it is being made.
    pub connection: Option<u64>,
    /// The call of `checkout`.
    pub place: &'static Location<'static>,
    /// How long ago that was, to about 50 ms.
    pub age: Duration,
    /// Name of the thread that called, or its id if it has none.
    pub thread: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connection {
            Some(connection) => write!(f, "connection {connection} checked out")?,
            None => write!(f, "a connection being made")?,
        }
        write!(
            f,
            " at {} {:.1} s ago by thread {}",
            self.place,
            self.age.as_secs_f64(),
            self.thread
        )
    }
}

struct Held<'a>(&'a [Holder]);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "; held: ";
        for holder in self.0 {
            write!(f, "{separator}{holder}")?;
            separator = ", ";
        }
        Ok(())
    }
}
