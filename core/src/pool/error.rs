//! Why a checkout failed.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::connector::BoxError;
use crate::classify::{self, Verdict};
use crate::error::Exit;
use crate::event::Step;

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
        "{kind} limit of size {size} overflow {overflow} reached, connection timed out, timeout {:.2}{}",
        timeout.as_secs_f64(), Held(holders)
    )]
    Timeout {
        /// The pool's kind, such as `QueuePool`.
        kind: &'static str,
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
    /// The server did not answer within the timeout. A helper thread still waits for it; its slot counts against the
    /// limit until then.
    #[error(
        "the server did not answer a {step} within {:.2} s (pool_timeout); a helper thread still waits for the answer, and \
         its place in the pool is taken until it comes",
        timeout.as_secs_f64()
    )]
    Unresponsive {
        /// What was asked of it.
        step: Step,
        /// How long the caller was ready to wait.
        timeout: Duration,
    },
    /// This kind of pool does not allow a second checkout now.
    #[error("{}", AlreadyOut { kind, same_thread: *same_thread, holder })]
    AlreadyCheckedOut {
        /// The pool's kind, such as `AssertionPool`.
        kind: &'static str,
        /// Whether it is a matter of threads: another one could have had a connection.
        same_thread: bool,
        /// Who has the first one.
        holder: Holder,
    },
    /// A database in memory died with its connection. Told once, to the first checkout after it; the next one begins with
    /// an empty database.
    #[error(
        "the database in memory is lost, since its connection was closed: {reason}; the next checkout starts with an empty one"
    )]
    InMemoryDatabaseLost {
        /// Why it was closed.
        reason: String,
    },
    /// The server answered a ping with an error that does not mean that the connection is lost.
    #[error("the connection could not be tested before it was handed out")]
    Ping(#[source] BoxError),
    /// No connection could be made.
    #[error("could not connect to the database")]
    Connect(#[source] BoxError),
    /// The caller's [`CancelToken`](crate::CancelToken) was cancelled while it waited.
    #[error("exit: {0}")]
    Cancelled(#[source] Exit),
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

impl PoolError {
    /// What it says about the server, where it says something.
    ///
    /// Time-outs as such are about this program, which holds its connections for too long. Where a silent server holds
    /// every one of them it is the server's doing, and time may help.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let by_server = match self {
            Self::Unresponsive { .. } => true,
            Self::Timeout { holders, .. } => !holders.is_empty() && holders.iter().all(|holder| holder.left_behind),
            _ => false,
        };
        by_server.then(classify::unresponsive)
    }
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
    /// Whether it is in a transaction, as far as is known: what is done with a raw connection is not watched.
    pub in_transaction: bool,
    /// Whether the caller has given up on a server that does not answer, and a helper thread still waits.
    pub left_behind: bool,
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
        )?;
        if self.in_transaction {
            f.write_str(", in a transaction")?;
        }
        if self.left_behind {
            f.write_str(", left behind waiting for the server")?;
        }
        Ok(())
    }
}

struct AlreadyOut<'a> {
    kind: &'a str,
    same_thread: bool,
    holder: &'a Holder,
}

impl fmt::Display for AlreadyOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            same_thread,
            holder,
        } = self;
        if *same_thread {
            write!(
                f,
                "{kind}: this thread has its connection in use already ({holder}); give it back first, or choose \
                 pool::Queue for several connections a thread"
            )
        } else {
            write!(f, "{kind}: the connection is in use already ({holder})")
        }
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
