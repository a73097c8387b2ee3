//! A connection on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::Pool;
use super::held::Held;
use super::record::Record;

/// A connection on loan from a [`Pool`]; dropping it gives it back (SQLAlchemy's `PoolProxiedConnection`).
///
/// | On return it is | when |
/// |---|---|
/// | handed to the longest waiter, or kept | clean, or dirty and reset |
/// | closed | busy, broken, dirty during a panic, not resettable, retired, or one too many |
///
/// ```
/// use aludel_core::{clock::Clock, event::Listeners, pool::{Managed, Pool, PoolOptions}};
/// # struct Manager;
/// # impl r2d2::ManageConnection for Manager {
/// #     type Connection = u32;
/// #     type Error = std::io::Error;
/// #     fn connect(&self) -> Result<u32, Self::Error> { Ok(7) }
/// #     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
/// #     fn has_broken(&self, _: &mut u32) -> bool { false }
/// # }
///
/// let pool = Pool::new(Managed(Manager), PoolOptions::default(), Clock::system(), Listeners::default());
/// let mut connection = pool.checkout()?;
/// *connection += 1;
/// connection.invalidate("no longer wanted");
/// assert_eq!(pool.closed(), 1);
/// # Ok::<(), aludel_core::pool::PoolError>(())
/// ```
#[must_use = "a checkout that is not kept goes straight back to the pool"]
pub struct Checkout<C: Send + 'static> {
    held: Held<C>,
    dirty: bool,
    busy: bool,
}

impl<C: Send + 'static> Checkout<C> {
    pub(super) fn new(held: Held<C>) -> Self {
        Self {
            held,
            dirty: false,
            busy: false,
        }
    }

    /// Number of the connection, counted from 1 in each pool.
    pub fn id(&self) -> u64 {
        self.record().id
    }

    /// Generation of the connection: what [`Pool::retire`] is told when this one turns out dead.
    pub fn generation(&self) -> u64 {
        self.record().generation
    }

    /// Time since the connection was made: what `pool_recycle` is compared with.
    pub fn age(&self) -> Duration {
        self.pool()
            .0
            .clock
            .now()
            .saturating_duration_since(self.record().connected_at)
    }

    /// Says whether the server may hold an open transaction. A clean connection is returned without a round trip.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut raw = engine.raw_connection()?;
    /// diesel::connection::SimpleConnection::batch_execute(&mut *raw, "BEGIN")?;
    /// raw.set_dirty(true);
    /// drop(raw); // ROLLBACK, then back to the pool
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn set_dirty(&mut self, dirty: bool) {
        self.dirty = dirty;
    }

    /// Whether the server may hold an open transaction.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Says whether a driver call is in progress. Dropped during one, as by a panic, the connection is closed: nobody
    /// knows where in its protocol it stands.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut raw = engine.raw_connection()?;
    /// raw.set_busy(true);
    /// drop(raw); // in the middle of a call, as far as anybody knows
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 1));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// Whether a driver call is in progress.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Closes the connection; its place in the pool is free at once (SQLAlchemy's `invalidate`).
    ///
    /// Others of its age are not touched: see [`Pool::retire`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.raw_connection()?.invalidate("for a test");
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 1));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn invalidate(mut self, reason: &str) {
        self.held.invalidate(reason);
    }

    /// Takes the connection out of the pool for good; its place is free at once (SQLAlchemy's `detach`).
    ///
    /// It is not reset, and closing it is the caller's business.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let connection: SqliteConnection = engine.raw_connection()?.detach();
    /// assert_eq!(engine.pool().status().detached, 1);
    /// # drop(connection);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "a checkout always has its record")]
    pub fn detach(mut self) -> C {
        self.held
            .detach()
            .expect("only detach and drop take the record, and both consume the checkout")
    }

    /// The pool it came from.
    pub fn pool(&self) -> &Pool<C> {
        &self.held.permit.pool
    }

    fn record(&self) -> &Record<C> {
        self.held
            .record
            .as_ref()
            .expect("only detach and drop take the record, and both consume the checkout")
    }
}

impl<C: Send + 'static> Deref for Checkout<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.record().raw
    }
}

impl<C: Send + 'static> DerefMut for Checkout<C> {
    fn deref_mut(&mut self) -> &mut C {
        let record = self.held.record.as_mut();
        &mut record
            .expect("only detach and drop take the record, and both consume the checkout")
            .raw
    }
}

impl<C: Send + 'static> Drop for Checkout<C> {
    fn drop(&mut self) {
        if self.held.record.is_some() {
            self.held.give_back(self.dirty, self.busy);
        }
    }
}

impl<C: Send + 'static> fmt::Debug for Checkout<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("id", &self.id())
            .field("generation", &self.generation())
            .field("dirty", &self.dirty)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}
