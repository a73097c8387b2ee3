//! The pool in numbers.

use std::fmt;

/// The numbers of a pool at one instant; its `Display` is SQLAlchemy's `pool.status()`.
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
/// let pool = Pool::new(Managed(Manager), PoolOptions::default(), Clock::system(), Listeners::default());
/// assert_eq!(
///     pool.status().to_string(),
///     "Pool size: 5  Connections in pool: 0 Current Overflow: -5 Current Checked out connections: 0",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The pool's kind, such as `QueuePool`.
    pub kind: &'static str,
    /// `pool_size`.
    pub size: usize,
    /// Idle connections.
    pub checked_in: usize,
    /// Connections above `pool_size`; negative while there are fewer. 0 if the pool is unlimited.
    pub overflow: i64,
    /// Connections in use, being made, or being closed.
    pub checked_out: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Connections ever made.
    pub opened: u64,
    /// Connections ever closed.
    pub closed: u64,
    /// Connections that left with [`Checkout::detach`](super::Checkout::detach).
    pub detached: u64,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != "QueuePool" {
            write!(f, "{}  ", self.kind)?;
        }
        write!(
            f,
            "Pool size: {}  Connections in pool: {} Current Overflow: {} Current Checked out connections: {}",
            self.size, self.checked_in, self.overflow, self.checked_out
        )
    }
}
