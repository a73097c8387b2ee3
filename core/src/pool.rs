//! The pool: SQLAlchemy's `QueuePool`, with waiters served in order and nothing done under its lock.
//!
//! | What happens when | is in |
//! |---|---|
//! | a connection is asked for: wait, connect, recycle, ping, hook | `acquire` |
//! | it comes back: reset, hand over, keep, close | `held` |
//! | a slot changes state | `record` |
//! | the idle ones and those who wait are looked at (all under the lock) | `queue` |
//!
//! **Invariant.** Under the lock there is no I/O, no callback of the user's, no listener, and no raw connection is
//! dropped. **Invariant.** While somebody waits, nothing is idle: what comes back is handed to the longest waiter, so that
//! nobody overtakes.

mod acquire;
mod checkout;
mod connector;
mod error;
mod held;
mod options;
mod queue;
mod record;
mod status;
#[cfg(test)]
mod tests;
mod waiter;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::Duration;

pub use self::checkout::Checkout;
pub use self::connector::{BoxError, CheckoutInfo, Connector, Managed, Refuse};
pub use self::error::{Holder, PoolError};
pub use self::options::{Limit, PoolOptions, PrePing, ResetOnReturn};
pub use self::status::Status;

use self::held::{Held, shielded};
use self::queue::Queue;
use self::record::Who;
use crate::clock::Clock;
use crate::event::{Event, Listeners};
use crate::sync::{Arc, AtomicU64, Mutex, lock};

/// Counts how often a pool was retired. A connection has the number that was current when it began to connect.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// assert_eq!(engine.pool().generation(), 0);
/// engine.dispose();
/// assert_eq!(engine.pool().generation(), 1);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub type Generation = u64;

/// A pool of connections of type `C`; cloning shares it.
///
/// It connects to nothing until it is asked for a connection, and then on the caller's thread. The last clone, checkouts
/// included, closes what is idle.
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
/// {
///     let connection = pool.checkout()?;
///     assert_eq!((*connection, pool.checkedout()), (7, 1));
/// }
/// assert_eq!((pool.checkedin(), pool.checkedout()), (1, 0));
/// # Ok::<(), aludel_core::pool::PoolError>(())
/// ```
pub struct Pool<C: Send + 'static>(Arc<Shared<C>>);

struct Shared<C: Send + 'static> {
    connector: Box<dyn Connector<C>>,
    options: PoolOptions,
    clock: Clock,
    listeners: Listeners,
    /// Whether a return, and a checkout, have to read the clock.
    note_idle: bool,
    note_checkout: bool,
    /// A copy of the queue's, written under its lock, to look at without it.
    generation: AtomicU64,
    /// Guards the idle ones, the slots and those who wait. Lock order: this, then a waiter's.
    queue: Mutex<Queue<C>>,
}

impl<C: Send + 'static> Pool<C> {
    /// A pool that is empty until the first checkout.
    pub fn new(connector: impl Connector<C>, options: PoolOptions, clock: Clock, listeners: Listeners) -> Self {
        let note_idle = matches!(options.pre_ping, PrePing::IdleFor(_));
        Self(Arc::new(Shared {
            connector: Box::new(connector),
            queue: Mutex::new(Queue::new(&options)),
            note_idle,
            note_checkout: note_idle || options.pool_recycle.is_some(),
            generation: AtomicU64::new(0),
            options,
            clock,
            listeners,
        }))
    }

    /// Takes a connection, waiting up to [`pool_timeout`](PoolOptions::pool_timeout) for one to come back (SQLAlchemy's
    /// `pool.connect()`).
    ///
    /// # Errors
    ///
    /// [`PoolError::Timeout`] if none came back in time; at once, [`PoolError::Connect`] if a new one could not be made,
    /// and [`PoolError::Refused`] or [`PoolError::RefusedAgain`] if the checkout hook did not want it.
    #[track_caller]
    pub fn checkout(&self) -> Result<Checkout<C>, PoolError> {
        self.checkout_within(self.0.options.pool_timeout)
    }

    /// Takes a connection, waiting up to `timeout` for one to come back; with zero, not at all.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool_size(1).max_overflow(0).build()?;
    /// let held = engine.pool().checkout()?;
    /// let error = engine.pool().checkout_within(Duration::ZERO).unwrap_err();
    /// assert!(error.to_string().contains("connection 1 checked out at"), "{error}");
    /// # drop(held);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`checkout`](Self::checkout).
    #[track_caller]
    pub fn checkout_within(&self, timeout: Duration) -> Result<Checkout<C>, PoolError> {
        self.checkout_for(Location::caller(), timeout)
    }

    /// As [`checkout_within`](Self::checkout_within), for a holder who stands somewhere else in the source: that place is
    /// what a time-out names.
    ///
    /// # Errors
    ///
    /// As [`checkout`](Self::checkout).
    pub fn checkout_for(&self, place: &'static Location<'static>, timeout: Duration) -> Result<Checkout<C>, PoolError> {
        let since = self.0.clock.coarse();
        on_this_thread(|thread| self.acquire(Who { place, since, thread }, timeout)).map(Checkout::new)
    }

    /// Retires every connection of this generation and older ones: each is replaced at its next checkout, or closed when
    /// it comes back (SQLAlchemy's pool invalidation).
    ///
    /// Only the first report of a generation has an effect, and is answered with `true`: twenty connections that died
    /// with one server retire the pool once, and not what was made since.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let (pool, generation) = (engine.pool(), engine.raw_connection()?.generation());
    /// assert!(pool.retire(generation, "the server went away"));
    /// assert!(!pool.retire(generation, "said somebody else")); // once a generation
    /// assert_eq!(engine.raw_connection()?.id(), 2); // the old one is replaced
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn retire(&self, older_than_or_equal: Generation, reason: &str) -> bool {
        let generation = {
            let mut queue = lock(&self.0.queue);
            if !queue.retire(older_than_or_equal) {
                return false;
            }
            self.0.generation.store(queue.generation, Ordering::Release);
            queue.generation
        };
        self.0.emit(&Event::Retire { generation, reason });
        true
    }

    /// Closes every idle connection now, and each that is in use when it comes back. The pool stays usable, with new
    /// connections (SQLAlchemy's `dispose`).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// engine.pool().dispose();
    /// assert_eq!((engine.pool().checkedin(), engine.pool().closed()), (0, 1));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn dispose(&self) {
        let (generation, idle) = {
            let mut queue = lock(&self.0.queue);
            queue.generation += 1;
            self.0.generation.store(queue.generation, Ordering::Release);
            let idle = queue.drain();
            (
                queue.generation,
                idle.into_iter()
                    .map(|record| Held::of_record(self.clone(), record))
                    .collect::<Vec<_>>(),
            )
        };
        self.0.emit(&Event::Retire {
            generation,
            reason: "disposed",
        });
        drop(idle);
    }

    /// The generation of connections that are made now; the first is 0.
    pub fn generation(&self) -> Generation {
        self.0.generation()
    }

    /// Every number below at one instant, and SQLAlchemy's status text as its `Display`.
    pub fn status(&self) -> Status {
        lock(&self.0.queue).status(&self.0.options)
    }

    /// `pool_size`.
    pub fn size(&self) -> usize {
        self.status().size
    }

    /// How many connections are idle.
    pub fn checkedin(&self) -> usize {
        self.status().checked_in
    }

    /// How many connections are in use, being made, or being closed.
    pub fn checkedout(&self) -> usize {
        self.status().checked_out
    }

    /// How many connections there are above `pool_size`; negative while there are fewer, 0 if the pool is unlimited.
    pub fn overflow(&self) -> i64 {
        self.status().overflow
    }

    /// How many connections were ever made.
    pub fn opened(&self) -> u64 {
        self.status().opened
    }

    /// How many connections were ever closed.
    pub fn closed(&self) -> u64 {
        self.status().closed
    }

    /// Who has a connection, the longest first.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let checkout = engine.raw_connection()?;
    /// let holder = &engine.pool().holders()[0];
    /// assert_eq!((holder.connection, holder.place.line()), (Some(checkout.id()), line!() - 2));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn holders(&self) -> Vec<Holder> {
        let now = self.0.clock.now();
        lock(&self.0.queue).slots.holders(now)
    }

    /// The settings it was made with.
    pub fn options(&self) -> &PoolOptions {
        &self.0.options
    }

    /// The clock it was made with.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Checks that no connection and no slot is lost: opened − closed − detached = idle + in use + being closed, and so on.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// engine.pool().assert_invariants(); // for the end of a test
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If that is not so, which is a mistake of this crate.
    pub fn assert_invariants(&self) {
        lock(&self.0.queue).assert_invariants();
    }
}

/// Lends a handle of this thread that is kept, since asking for one costs two writes to a shared counter.
fn on_this_thread<T>(call: impl FnOnce(&Thread) -> T) -> T {
    thread_local!(static THIS: Thread = thread::current());
    let mut call = Some(call);
    match THIS.try_with(|thread| call.take().map(|call| call(thread))) {
        Ok(Some(answer)) => answer,
        // This thread is being torn down, and our handle is gone already.
        _ => call.take().expect("it has not run")(&thread::current()),
    }
}

impl<C: Send + 'static> Shared<C> {
    fn generation(&self) -> Generation {
        self.generation.load(Ordering::Acquire)
    }

    fn emit(&self, event: &Event<'_>) {
        if !self.listeners.is_empty() {
            shielded(|| self.listeners.emit(event));
        }
    }
}

impl<C: Send + 'static> Drop for Shared<C> {
    fn drop(&mut self) {
        let idle = lock(&self.queue).drain();
        for record in idle {
            let connection = record.id;
            shielded(|| drop(record));
            self.emit(&Event::Close { connection });
        }
    }
}

impl<C: Send + 'static> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Send + 'static> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("options", &self.0.options)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
