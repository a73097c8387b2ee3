//! The pool: SQLAlchemy's `QueuePool`, with waiters served in order and nothing done under its lock.
//!
//! | What happens when | is in |
//! |---|---|
//! | a connection is asked for: wait, connect, recycle, ping, hook | `acquire`; on a helper thread, `bounded` |
//! | it comes back: reset, hand over, keep, close | `held` |
//! | a slot changes state | `record` |
//! | an idle one is found or kept, somebody waits, a slot is opened | `shared`, `ledger`, `waiter` |
//! | one kind of pool differs from another | `kind`, `adopted` |
//! | nobody asks for anything | `maintenance` |
//!
//! **Invariant.** Under a lock there is no I/O, no callback of the user's, no listener, and no raw connection is dropped.
//! **Invariant.** Who has waited for half a millisecond is handed what comes back, in the order of arrival: from then on
//! nobody overtakes.

mod acquire;
mod adopted;
mod bounded;
mod checkout;
mod connector;
mod error;
mod extensions;
mod held;
mod kind;
mod ledger;
mod maintenance;
mod options;
mod raw;
mod record;
mod shared;
mod status;
mod strays;
#[cfg(test)]
mod tests;
mod waiter;
mod who;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub(crate) use self::adopted::of_failed_connect;
pub use self::adopted::{Adopted, Exhausted, Lender};
pub use self::checkout::Checkout;
pub use self::connector::{BoxError, CheckoutInfo, Connecting, Connector, Managed, PingVerdict, Refuse};
pub use self::error::{Holder, PoolError};
pub use self::extensions::Extensions;
pub use self::kind::{AnyKind, Asker, Assertion, Idle, Kind, Null, Queue, Rule, Static, ThreadLocal};
pub use self::options::{Limit, PoolOptions, PrePing, ResetOnReturn};
pub use self::raw::{Loan, Raw};
pub use self::status::Status;

use self::acquire::Acquire;
use self::adopted::Lending;
use self::held::close_all;
use self::kind::{Choice, Nothing};
use self::maintenance::Bell;
use self::record::{Record, Who};
use self::shared::{OVER, Pattern, Shared};
pub(crate) use self::who::acting_thread;
use self::who::{Place, thread_number};
use crate::cancel::CancelToken;
use crate::clock::Clock;
use crate::event::{Event, Listeners};
use crate::process;
use crate::sync::{Arc, lock};

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
pub struct Pool<C: Send + 'static>(Arc<Handle<C>>);

/// What the clones of a [`Pool`] share. Idle connections keep the rest alive, so it is this whose end closes them.
struct Handle<C: Send + 'static> {
    shared: Arc<Shared<C>>,
    bell: Arc<Bell>,
}

impl<C: Send + 'static> Pool<C> {
    /// A [`Queue`] that is empty until the first checkout.
    pub fn new(connector: impl Connector<C>, options: PoolOptions, clock: Clock, listeners: Listeners) -> Self {
        Self::of_kind(Queue, connector, options, clock, listeners)
    }

    /// A pool of any kind, empty until the first checkout.
    ///
    /// ```
    /// use aludel_core::{clock::Clock, event::Listeners, pool::{self, Managed, Pool, PoolOptions}};
    /// # struct Manager;
    /// # impl r2d2::ManageConnection for Manager {
    /// #     type Connection = u32;
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> Result<u32, Self::Error> { Ok(7) }
    /// #     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut u32) -> bool { false }
    /// # }
    ///
    /// let (options, clock) = (PoolOptions::default(), Clock::system());
    /// let pool = Pool::of_kind(pool::Static, Managed(Manager), options, clock, Listeners::default());
    /// drop(pool.checkout()?);
    /// assert_eq!((pool.kind(), pool.checkedin()), ("StaticPool", 1));
    /// # Ok::<(), aludel_core::pool::PoolError>(())
    /// ```
    pub fn of_kind(
        kind: impl Into<AnyKind<C>>,
        connector: impl Connector<C>,
        options: PoolOptions,
        clock: Clock,
        listeners: Listeners,
    ) -> Self {
        let connector: Arc<dyn Connector<C>> = Arc::new(connector);
        let (pattern, connector) = match kind.into().0 {
            Choice::Queue => (Pattern::Line(options.clone()), connector),
            Choice::Other(kind) => (Pattern::Other(kind), connector),
            Choice::Lender(lender) => {
                let lending = Lending::new(lender, connector);
                (Pattern::Other(Box::new(Nothing("AdoptedPool"))), Arc::new(lending) as _)
            }
        };
        process::count_forks();
        Self::of(Shared::new(connector, pattern, options, clock, listeners))
    }

    fn of(shared: Shared<C>) -> Self {
        // A child may use none of its parent's pools, and the parent's time has stopped there.
        Clock::after_a_fork(process::forks());
        Self(Arc::new(Handle {
            shared: Arc::new(shared),
            bell: Arc::default(),
        }))
    }

    /// Another pool, empty, with the same settings, connector and listeners (SQLAlchemy's `pool.recreate()`). An adopted
    /// pool is shared by both.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// let other = engine.pool().recreate();
    /// assert_eq!((other.kind(), other.opened()), ("ThreadLocalPool", 0));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn recreate(&self) -> Self {
        let Shared {
            connector,
            options,
            clock,
            listeners,
            ..
        } = &*self.0.shared;
        self.0.shared.emit(&Event::Recreate);
        Self::of(Shared::new(
            Arc::clone(connector),
            self.0.shared.pattern(),
            options.clone(),
            clock.clone(),
            listeners.clone(),
        ))
    }

    fn shared(&self) -> &Arc<Shared<C>> {
        &self.0.shared
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
        self.checkout_within(self.options().pool_timeout)
    }

    /// Takes a connection, within `timeout` in place of [`pool_timeout`](PoolOptions::pool_timeout). With zero it does not
    /// wait for one to come back; making one is then bound by `pool_timeout`.
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
    #[inline]
    pub fn checkout_for(&self, place: &'static Location<'static>, timeout: Duration) -> Result<Checkout<C>, PoolError> {
        self.checkout_unless(place, timeout, None)
    }

    /// As [`checkout_for`](Self::checkout_for); a wait in the queue ends with the token.
    #[doc(hidden)]
    #[inline]
    pub fn checkout_unless(
        &self,
        place: &'static Location<'static>,
        timeout: Duration,
        cancelled: Option<&CancelToken>,
    ) -> Result<Checkout<C>, PoolError> {
        let shared = &self.0.shared;
        let who = Who {
            place: Place::of(place),
            since: shared.clock.ticks(),
            thread: thread_number(),
        };
        if shared.plain && shared.listeners.is_empty() {
            let era = shared.era();
            if let Some(record) = era.take_at_hand(&who) {
                if record.generation >= era.generation() {
                    return Ok(Checkout::new(record));
                }
                return self.checkout_slowly(Some(record), who, place, timeout, cancelled);
            }
        }
        self.checkout_slowly(None, who, place, timeout, cancelled)
    }

    #[cold]
    fn checkout_slowly(
        &self,
        found: Option<Box<Record<C>>>,
        who: Who,
        place: &'static Location<'static>,
        timeout: Duration,
        cancelled: Option<&CancelToken>,
    ) -> Result<Checkout<C>, PoolError> {
        let shared = self.shared();
        let acquire = Acquire::new(shared, place, timeout).unless(cancelled);
        let record = acquire.run(found, who)?;
        if shared.kept_up {
            self.keep_up();
        }
        Ok(Checkout::new(record))
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
    /// let path = std::env::temp_dir().join(format!("aludel-retire-{}.db", std::process::id()));
    /// let engine = Engine::<SqliteConnection>::new(format!("sqlite://{}", path.display()))?;
    /// let (pool, generation) = (engine.pool(), engine.raw_connection()?.generation());
    /// assert!(pool.retire(generation, "the server went away"));
    /// assert!(!pool.retire(generation, "said somebody else")); // once a generation
    /// assert_eq!(engine.raw_connection()?.id(), 2); // the old one is replaced
    /// # std::fs::remove_file(path).ok();
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn retire(&self, older_than_or_equal: Generation, reason: &str) -> bool {
        acquire::retire(self.shared(), older_than_or_equal, reason)
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
        let (generation, idle) = self.shared().era().clear(|current| current + 1);
        self.shared().emit(&Event::Dispose { generation });
        close_all(idle);
        self.shared().close_strays();
    }

    /// Lets go of every connection without closing it, and starts empty (`dispose(close=False)` in SQLAlchemy): what is
    /// idle now is left as it is for ever, and what is in use will be when it comes back.
    ///
    /// That is what a forked child has to do with what its parent has connected, and it does so by itself: the first use
    /// of a pool in a child finds out. Call it where a child was made in a way that runs no fork handlers.
    ///
    /// SQLite needs more than that: to a child a transaction that its parent had open on a file never ends, and refuses
    /// every write. Fork with none open, and better after [`dispose`](Self::dispose).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// drop(engine.raw_connection()?);
    /// engine.pool().abandon();
    /// assert_eq!((engine.pool().checkedin(), engine.pool().opened()), (0, 0));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn abandon(&self) {
        let era = self.shared().era();
        era.end();
        // Begins the next one, to which those who wait are sent.
        let _ = self.shared().era();
        era.leave_alone();
    }

    /// The generation of connections that are made now; the first is 0.
    pub fn generation(&self) -> Generation {
        self.shared().era().generation()
    }

    /// What kind of pool it is, such as `QueuePool`.
    pub fn kind(&self) -> &'static str {
        self.shared().name
    }

    /// Every number below at one instant, and SQLAlchemy's status text as its `Display`.
    pub fn status(&self) -> Status {
        let shared = self.shared();
        shared.era().frozen(|ledger, idle| {
            let total = ledger.used();
            let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
            let (size, overflow) = match shared.keep {
                usize::MAX => (0, 0),
                size => (size, signed(total) - signed(size)),
            };
            Status {
                kind: shared.name,
                size,
                checked_in: idle.len(),
                overflow,
                checked_out: total - idle.len(),
                waiting: ledger.waiters.len(),
                opened: ledger.opened,
                closed: ledger.closed,
                detached: ledger.detached,
            }
        })
    }

    /// `pool_size`; 0 if the pool is unlimited.
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
        self.shared().holders()
    }

    /// The settings it was made with.
    pub fn options(&self) -> &PoolOptions {
        &self.shared().options
    }

    /// The clock it was made with.
    pub fn clock(&self) -> &Clock {
        &self.shared().clock
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
        let shared = self.shared();
        shared.era().frozen(|ledger, idle| {
            ledger.assert_invariants(idle, shared.limit);
            assert!(
                idle.len() <= shared.keep,
                "{} idle connections, {} may be kept",
                idle.len(),
                shared.keep
            );
            assert_eq!(
                shared.era().waiting(),
                ledger.waiters.len(),
                "those who wait are counted"
            );
        });
    }
}

impl<C: Send + 'static> Shared<C> {
    fn holders(&self) -> Vec<Holder> {
        let ledger = lock(&self.era().ledger);
        let mut held: Vec<_> = ledger
            .slots
            .iter()
            .filter_map(|slot| slot.holder(&self.clock))
            .collect();
        held.sort_by_key(|holder| std::cmp::Reverse(holder.age));
        held
    }
}

impl<C: Send + 'static> Drop for Handle<C> {
    fn drop(&mut self) {
        self.bell.ring();
        // From now on whatever comes back is of an older generation, and closed.
        let (_, idle) = self.shared.era().clear(|_| OVER);
        close_all(idle);
        self.shared.close_strays();
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
            .field("kind", &self.kind())
            .field("options", self.options())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
