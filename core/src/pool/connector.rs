//! What a pool asks of whoever knows the database.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::options::ResetOnReturn;
use super::raw::Raw;

/// Any error, as a driver or a hook gives it.
///
/// ```
/// use aludel_core::pool::{BoxError, Refuse};
///
/// let error: BoxError = "not on Sundays".into();
/// let refusal = Refuse::Error(error);
/// assert!(format!("{refusal:?}").contains("Sundays"));
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a pool makes, tests and resets connections.
///
/// Everything here is called on the thread that checks out or returns, and never while a lock of the pool's is held;
/// connecting and pinging on a helper thread, if they [may block](Self::may_block) and the caller's time is limited. A
/// panic costs the connection, never the slot.
///
/// ```
/// use aludel_core::pool::{BoxError, Connecting, Connector, Raw, ResetOnReturn};
///
/// struct Counter;
///
/// impl Connector<u32> for Counter {
///     fn connect(&self, _: &Connecting) -> Result<Raw<u32>, BoxError> { Ok(Raw::from(0)) }
///     fn ping(&self, _: &mut u32) -> Result<(), BoxError> { Ok(()) }
///     fn has_broken(&self, connection: &mut u32) -> bool { *connection > 100 }
///     fn reset(&self, connection: &mut u32, _: ResetOnReturn) -> Result<(), BoxError> {
///         *connection = 0;
///         Ok(())
///     }
/// }
/// ```
pub trait Connector<C>: Send + Sync + 'static {
    /// Makes a connection and prepares it.
    ///
    /// # Errors
    ///
    /// The driver's; the caller of the checkout gets it at once, as [`PoolError::Connect`](super::PoolError::Connect).
    fn connect(&self, request: &Connecting) -> Result<Raw<C>, BoxError>;

    /// Prepares a connection that somebody else has made, as [`connect`](Self::connect) prepares its own.
    ///
    /// # Errors
    ///
    /// Any; the caller of the checkout gets it as that of a connect.
    fn adopt(&self, connection: &mut C) -> Result<(), BoxError> {
        let _ = connection;
        Ok(())
    }

    /// Asks the server for a sign of life, without changing any state.
    ///
    /// # Errors
    ///
    /// Any; [`judge_ping`](Self::judge_ping) says what it means.
    fn ping(&self, connection: &mut C) -> Result<(), BoxError>;

    /// What an unanswered ping means; by default that the connection is dead, and every other one as old as it.
    fn judge_ping(&self, error: &BoxError) -> PingVerdict {
        let _ = error;
        PingVerdict::Retire
    }

    /// Whether the driver already knows that the connection is dead. Asked at every return: no I/O.
    fn has_broken(&self, connection: &mut C) -> bool;

    /// Ends whatever transaction is open. Called only for a dirty connection, and never with [`ResetOnReturn::None`].
    ///
    /// # Errors
    ///
    /// Any: the connection is closed instead of pooled.
    fn reset(&self, connection: &mut C, how: ResetOnReturn) -> Result<(), BoxError>;

    /// Whether an error of [`reset`](Self::reset) means that every other connection as old as this one is lost, too; by
    /// default only this one is.
    fn reset_found_all_lost(&self, error: &BoxError) -> bool {
        let _ = error;
        false
    }

    /// Whether a connection that [has broken](Self::has_broken) while nobody watched has done so because every other one as
    /// old as it is lost, too; by default only this one is. May ask the server, as a reset would.
    fn broke_with_all(&self, connection: &mut C) -> bool {
        let _ = connection;
        false
    }

    /// Whether connecting and pinging may wait for somebody else, such as a server. Then `pool_timeout` bounds them, at
    /// the price of a helper thread.
    fn may_block(&self) -> bool {
        true
    }

    /// Whether a database dies with its connection, as SQLite's do in memory. Such a connection is not replaced for its
    /// age or its generation, and its loss is told.
    fn is_only_copy(&self) -> bool {
        false
    }

    /// Whether [`on_checkout`](Self::on_checkout) does anything. Asked once.
    fn looks_at_checkouts(&self) -> bool {
        true
    }

    /// Looks at a connection just before it is handed out (the `checkout` event of SQLAlchemy's pool).
    ///
    /// # Errors
    ///
    /// [`Refuse::Reconnect`] replaces the connection, at most twice in a checkout; [`Refuse::Error`] closes it and fails
    /// the checkout.
    fn on_checkout(&self, connection: &mut C, info: &CheckoutInfo) -> Result<(), Refuse> {
        let _ = (connection, info);
        Ok(())
    }
}

/// What a checkout hook answers when it does not want the connection.
///
/// ```
/// use aludel_core::pool::Refuse;
///
/// fn guard(owner: u32) -> Result<(), Refuse> {
///     if owner == std::process::id() { Ok(()) } else { Err(Refuse::Reconnect) }
/// }
/// # assert!(guard(std::process::id()).is_ok());
/// ```
#[derive(Debug)]
pub enum Refuse {
    /// Close it and make another (SQLAlchemy's `DisconnectionError`).
    Reconnect,
    /// The same, and every other connection as old as this one is replaced, too (`InvalidatePoolError`).
    ReconnectAll,
    /// Close it and fail the checkout with this error.
    Error(BoxError),
}

/// What an unanswered ping means.
///
/// ```
/// use aludel_core::pool::PingVerdict;
///
/// assert_ne!(PingVerdict::Replace, PingVerdict::Retire);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingVerdict {
    /// The connection is dead; it is replaced within the checkout.
    Replace,
    /// The same, and every other one as old as it is retired.
    Retire,
    /// The checkout fails with that error, as [`PoolError::Ping`](super::PoolError::Ping).
    Raise,
}

/// What is known of a connection that is to be made.
///
/// ```
/// use aludel_core::pool::Connecting;
///
/// fn patience(request: &Connecting) -> std::time::Duration {
///     request.within.unwrap_or(std::time::Duration::MAX)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connecting {
    /// How long the caller will wait for it; without a limit if `None`. The pool sees to that by itself: this is for those
    /// who can pass it on.
    pub within: Option<Duration>,
}

/// What a checkout hook is told about the connection.
///
/// ```
/// use aludel_core::pool::{CheckoutInfo, Refuse};
///
/// fn hook(_: &mut u32, info: &CheckoutInfo) -> Result<(), Refuse> {
///     println!("connection {} for {}", info.connection, info.place);
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CheckoutInfo {
    /// Number of the connection, counted from 1 in each pool.
    pub connection: u64,
    /// Its generation.
    pub generation: u64,
    /// When it was made.
    pub connected_at: Instant,
    /// Whether it was made for this checkout.
    pub fresh: bool,
    /// How long the caller waited for it to come back; zero if it did not have to.
    pub waited: Duration,
    /// Who checks out.
    pub place: &'static Location<'static>,
}

/// Any `r2d2::ManageConnection` as a [`Connector`].
///
/// r2d2 knows no reset: a connection that comes back dirty is closed, unless the pool's
/// [`reset_on_return`](super::PoolOptions::reset_on_return) is `None`.
///
/// ```
/// use aludel_core::{clock::Clock, event::Listeners, pool::{Managed, Pool, PoolOptions}};
///
/// struct Manager;
///
/// impl r2d2::ManageConnection for Manager {
///     type Connection = u32;
///     type Error = std::io::Error;
///     fn connect(&self) -> Result<u32, Self::Error> { Ok(7) }
///     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
///     fn has_broken(&self, _: &mut u32) -> bool { false }
/// }
///
/// let pool = Pool::new(Managed(Manager), PoolOptions::default(), Clock::system(), Listeners::default());
/// assert_eq!(*pool.checkout()?, 7);
/// # Ok::<(), aludel_core::pool::PoolError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Managed<M>(pub M);

impl<M> Connector<M::Connection> for Managed<M>
where
    M: r2d2::ManageConnection,
    M::Error: Send + Sync,
{
    fn connect(&self, _: &Connecting) -> Result<Raw<M::Connection>, BoxError> {
        Ok(Raw::from(self.0.connect()?))
    }

    fn ping(&self, connection: &mut M::Connection) -> Result<(), BoxError> {
        Ok(self.0.is_valid(connection)?)
    }

    fn has_broken(&self, connection: &mut M::Connection) -> bool {
        self.0.has_broken(connection)
    }

    fn reset(&self, _: &mut M::Connection, _: ResetOnReturn) -> Result<(), BoxError> {
        Err("an r2d2 manager cannot reset a connection".into())
    }

    fn looks_at_checkouts(&self) -> bool {
        false
    }
}
