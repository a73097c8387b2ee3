//! A connection on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::extensions::Extensions;
use super::held::{Held, give_back};
use super::raw::Raw;
use super::record::Record;
use crate::event::Event;

/// A connection on loan from a [`Pool`](super::Pool); dropping it gives it back (SQLAlchemy's `PoolProxiedConnection`).
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
    /// One pointer, since it is moved about; `None` only while it is being dropped or consumed.
    record: Option<Box<Record<C>>>,
}

impl<C: Send + 'static> Checkout<C> {
    #[inline]
    pub(super) fn new(mut record: Box<Record<C>>) -> Self {
        (record.dirty, record.busy) = (false, false);
        Self { record: Some(record) }
    }

    fn into_held(mut self) -> Held<C> {
        self.record.take().map_or_else(Held::of_nothing, Held::of_record)
    }

    /// Number of the connection, counted from 1 in each pool.
    pub fn id(&self) -> u64 {
        self.record().id
    }

    /// Generation of the connection: what [`Pool::retire`](super::Pool::retire) is told when this one turns out dead.
    pub fn generation(&self) -> u64 {
        self.record().generation
    }

    /// Time since the connection was made: what `pool_recycle` is compared with.
    pub fn age(&self) -> Duration {
        let record = self.record();
        record.permit.shared.clock.ticks_now().since(record.connected_at)
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
        self.record_mut().dirty = dirty;
    }

    /// Whether the server may hold an open transaction.
    pub fn is_dirty(&self) -> bool {
        self.record().dirty
    }

    /// Says whether a driver call is in progress. Dropped during one, as by a panic, the connection is closed: nobody
    /// knows where in its protocol it stands. (A database in memory, which would die with it, gets a ROLLBACK instead.)
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let path = std::env::temp_dir().join(format!("aludel-busy-{}.db", std::process::id()));
    /// let engine = Engine::<SqliteConnection>::new(format!("sqlite://{}", path.display()))?;
    /// let mut raw = engine.raw_connection()?;
    /// raw.set_busy(true);
    /// drop(raw); // in the middle of a call, as far as anybody knows
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 1));
    /// # std::fs::remove_file(path).ok();
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn set_busy(&mut self, busy: bool) {
        self.record_mut().busy = busy;
    }

    /// Whether a driver call is in progress.
    pub fn is_busy(&self) -> bool {
        self.record().busy
    }

    /// Closes the connection; its place in the pool is free at once (SQLAlchemy's `invalidate`).
    ///
    /// Others of its age are not touched: see [`Pool::retire`](super::Pool::retire).
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
    pub fn invalidate(self, reason: &str) {
        self.into_held().invalidate(reason, true);
    }

    /// Gives back a connection that nobody should trust, as after a panic: it is closed. Only a database in memory, which
    /// would die with it, is given the chance of a ROLLBACK first, and kept if that succeeds.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.raw_connection()?.discard("for a test");
    /// assert_eq!(engine.pool().checkedin(), 1); // with all its tables
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn discard(self, reason: &str) {
        self.discard_or_mend(reason, |_| true);
    }

    /// As [`discard`](Self::discard), for a layer above that has changed settings of the connection: `mend` undoes that on
    /// a database in memory that is to be kept, and answers whether it has succeeded.
    #[doc(hidden)]
    pub fn discard_or_mend(mut self, reason: &str, mend: impl FnOnce(&mut C) -> bool) {
        let record = self.record_mut();
        if !record.permit.shared.precious {
            self.into_held().invalidate(reason, true);
        } else if mend(&mut record.raw) {
            (record.dirty, record.busy) = (true, true);
            self.into_held().give_back();
        } else {
            self.into_held().invalidate(reason, false);
        }
    }

    /// Has the connection closed when it comes back, and not before (`invalidate(soft=True)` in SQLAlchemy). A database in
    /// memory stays.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, pool};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db").build()?;
    /// # let path = std::env::temp_dir().join(format!("aludel-soft-{}.db", std::process::id()));
    /// # let engine = Engine::<SqliteConnection>::builder(format!("sqlite://{}", path.display())).build()?;
    /// let mut raw = engine.raw_connection()?;
    /// raw.soft_invalidate("its settings were changed");
    /// assert_eq!(raw.id(), 1); // still usable
    /// drop(raw);
    /// assert_eq!(engine.raw_connection()?.id(), 2);
    /// # std::fs::remove_file(path).ok();
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn soft_invalidate(&mut self, reason: &str) {
        let record = self.record_mut();
        if !std::mem::replace(&mut record.soft_invalidated, true) {
            let connection = record.id;
            record.permit.shared.emit(&Event::SoftInvalidate { connection, reason });
        }
    }

    /// Takes the connection out of the pool; its place is free at once (SQLAlchemy's `detach`). It stays usable here, and
    /// is closed when this is dropped. Its [`record_info`](Self::record_info) stays with the place.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut raw = engine.raw_connection()?;
    /// raw.detach();
    /// assert_eq!((engine.pool().checkedout(), engine.pool().status().detached), (0, 1));
    /// diesel::connection::SimpleConnection::batch_execute(&mut *raw, "SELECT 1")?;
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn detach(&mut self) {
        let record = self.record_mut();
        if record.permit.is_armed() {
            record.permit.slot.keep_info(std::mem::take(&mut record.slot_info));
            record.permit.release();
            record.permit.shared.emit(&Event::Detach { connection: record.id });
        }
    }

    /// Whether it was [detached](Self::detach).
    pub fn is_detached(&self) -> bool {
        !self.record().permit.is_armed()
    }

    /// Takes the raw connection itself out of the pool. It is not reset, and closing it is the caller's business.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let connection: SqliteConnection = engine.raw_connection()?.into_inner().expect("it is not on loan");
    /// # drop(connection);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The loan, if the pool is an adopted one: its owner wants it back.
    #[expect(clippy::missing_panics_doc, reason = "a checkout always has its record")]
    pub fn into_inner(mut self) -> Result<C, Raw<C>> {
        self.detach();
        let raw = self.into_held().take_raw();
        raw.expect(HAS_RECORD).into_inner()
    }

    /// The user's values for this raw connection; they go with it (SQLAlchemy's `info`).
    pub fn info(&self) -> &Extensions {
        &self.record().info
    }

    /// The same, to be changed.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// struct Prepared;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.raw_connection()?.info_mut().insert(Prepared);
    /// assert!(engine.raw_connection()?.info().get::<Prepared>().is_some());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn info_mut(&mut self) -> &mut Extensions {
        &mut self.record_mut().info
    }

    /// The user's values for this place in the pool; they outlive its raw connections (SQLAlchemy's `record_info`).
    pub fn record_info(&self) -> &Extensions {
        &self.record().slot_info
    }

    /// The same, to be changed.
    pub fn record_info_mut(&mut self) -> &mut Extensions {
        &mut self.record_mut().slot_info
    }

    /// Whether this process was forked from the one that made the connection, which is not to be touched then: what is
    /// sent on it would get between the parent's statements. Dropped, it is left alone.
    pub fn is_of_parent(&self) -> bool {
        self.record().permit.is_foreign()
    }

    /// Says for reports of holders whether a transaction is open.
    pub fn set_in_transaction(&mut self, open: bool) {
        let slot = &self.record().permit.slot;
        slot.in_transaction.store(open, std::sync::atomic::Ordering::Relaxed);
    }

    #[inline]
    fn record(&self) -> &Record<C> {
        self.record.as_ref().expect(HAS_RECORD)
    }

    #[inline]
    fn record_mut(&mut self) -> &mut Record<C> {
        self.record.as_mut().expect(HAS_RECORD)
    }
}

const HAS_RECORD: &str = "what takes the record out consumes the checkout";

impl<C: Send + 'static> Deref for Checkout<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.record().raw
    }
}

impl<C: Send + 'static> DerefMut for Checkout<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.record_mut().raw
    }
}

impl<C: Send + 'static> Drop for Checkout<C> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            give_back(record);
        }
    }
}

impl<C: Send + 'static> fmt::Debug for Checkout<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("id", &self.id())
            .field("generation", &self.generation())
            .field("dirty", &self.is_dirty())
            .field("busy", &self.is_busy())
            .finish_non_exhaustive()
    }
}
