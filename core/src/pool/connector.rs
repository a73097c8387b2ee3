//! What a pool asks of whoever knows the database.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::options::ResetOnReturn;

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
/// Everything here is called on the thread that checks out or returns, and never while the pool's lock is held. A panic
/// costs the connection, never the slot.
///
/// ```
/// use aludel_core::pool::{BoxError, Connector, ResetOnReturn};
///
/// struct Counter;
///
/// impl Connector<u32> for Counter {
///     fn connect(&self) -> Result<u32, BoxError> { Ok(0) }
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
    fn connect(&self) -> Result<C, BoxError>;

    /// Asks the server for a sign of life, without changing any state.
    ///
    /// # Errors
    ///
    /// Any: the connection is closed, every one of its age is retired, and a new one takes its place.
    fn ping(&self, connection: &mut C) -> Result<(), BoxError>;

    /// Whether the driver already knows that the connection is dead. Asked at every return: no I/O.
    fn has_broken(&self, connection: &mut C) -> bool;

    /// Ends whatever transaction is open. Called only for a dirty connection, and never with [`ResetOnReturn::None`].
    ///
    /// # Errors
    ///
    /// Any: the connection is closed instead of pooled.
    fn reset(&self, connection: &mut C, how: ResetOnReturn) -> Result<(), BoxError>;

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
    /// Close it and fail the checkout with this error.
    Error(BoxError),
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
    fn connect(&self) -> Result<M::Connection, BoxError> {
        Ok(self.0.connect()?)
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
}
