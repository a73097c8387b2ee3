//! The kinds of pools: which idle connections are kept, and which of them is handed out next.

use std::fmt;

use diesel::r2d2::R2D2Connection;

use super::Pool;
use super::adopted::{Adopted, Lender};
use super::record::Record;

mod one;
mod queue;
mod thread_local;

pub use one::{Assertion, Null, Static};
pub(super) use one::{Nothing, One};
pub(super) use queue::Line;
pub use queue::Queue;
pub use thread_local::ThreadLocal;
pub(super) use thread_local::Threads;

/// A kind of pool: what SQLAlchemy calls a pool class.
///
/// A kind keeps the idle connections and says how many there may be. Everything else is the same for all of them:
/// connecting, testing, resetting, waiting in order, time-outs, events, generations, the guard against forks.
///
/// | Kind | Connections | A checkout that finds none |
/// |---|---|---|
/// | [`Queue`] (default) | `pool_size` and `max_overflow` more | waits its turn |
/// | [`Null`] | one for each checkout, closed on return | makes one |
/// | [`ThreadLocal`] (default for SQLite in memory) | one for each thread | makes one; fails if this thread has its own in use |
/// | [`Static`] | one for everybody | waits its turn |
/// | [`Assertion`] | one | fails, and names who has it |
/// | [`Adopted`](super::Adopted) | those of an `r2d2::Pool` | asks that pool |
/// | a [`Pool`] of another engine | those of that pool | asks that pool |
///
/// Its methods are called under a lock of the pool's: they may not block, drop a connection, panic, or call the pool. (One
/// that it drops all the same, as a panic does, is closed by the next caller who holds no lock, and reported.)
///
/// ```
/// use aludel_core::pool::{AnyKind, Asker, Idle, Kind};
///
/// /// Hands out the oldest connection, so that the younger ones may age out.
/// struct OldestFirst<C: Send + 'static>(Vec<Idle<C>>);
///
/// impl<C: Send + 'static> std::fmt::Debug for OldestFirst<C> {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "OldestFirst({:?})", self.0)
///     }
/// }
///
/// impl<C: Send + 'static> Kind<C> for OldestFirst<C> {
///     fn name(&self) -> &'static str {
///         "OldestFirst"
///     }
///     fn limit(&self) -> usize {
///         4
///     }
///     fn take(&mut self, _: &Asker) -> Option<Idle<C>> {
///         let oldest = (0..self.0.len()).min_by_key(|index| self.0[*index].id())?;
///         Some(self.0.swap_remove(oldest))
///     }
///     fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
///         self.0.push(idle);
///         Ok(())
///     }
///     fn idle(&self) -> usize {
///         self.0.len()
///     }
///     fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
///         self.0.extract_if(.., |idle| unfit(idle)).collect()
///     }
///     fn recreate(&self) -> Box<dyn Kind<C>> {
///         Box::new(Self(Vec::new()))
///     }
/// }
///
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool(AnyKind::of(OldestFirst(Vec::new()))).build()?;
/// let (first, second) = (engine.raw_connection()?, engine.raw_connection()?);
/// drop(second);
/// drop(first);
/// assert_eq!(engine.raw_connection()?.id(), 1);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub trait Kind<C: Send + 'static>: Send + fmt::Debug + 'static {
    /// What a time-out's text calls it, such as `QueuePool`.
    fn name(&self) -> &'static str;

    /// How many connections there may be at once; default: no limit.
    fn limit(&self) -> usize {
        usize::MAX
    }

    /// How many idle ones are kept; default: no limit.
    fn keep(&self) -> usize {
        usize::MAX
    }

    /// What is done with a checkout that would be one too many; default: it waits.
    fn rule(&self) -> Rule {
        Rule::Wait
    }

    /// Whether several of this kind may stand side by side, each with a part of the idle connections, so that threads do
    /// not wait for each other's locks; default: no.
    fn divides(&self) -> bool {
        false
    }

    /// The idle connection for this caller.
    fn take(&mut self, asker: &Asker) -> Option<Idle<C>>;

    /// Keeps a connection that came back.
    ///
    /// # Errors
    ///
    /// The connection, if it is not to be kept: it is closed.
    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>>;

    /// How many connections it keeps now.
    fn idle(&self) -> usize;

    /// Takes out those that `unfit` says are to go.
    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>>;

    /// Takes out those that nobody will ever ask for again. Asked before a new connection is made.
    fn orphans(&mut self) -> Vec<Idle<C>> {
        Vec::new()
    }

    /// An empty one with the same settings.
    fn recreate(&self) -> Box<dyn Kind<C>>;
}

/// A kind of pool as an option: one of those of this module, a [`Kind`] of your own, or a [`Lender`].
///
/// ```
/// use aludel_core::pool::{self, AnyKind};
///
/// let kind: AnyKind<u32> = pool::Null.into();
/// assert_eq!(kind.name(), "NullPool");
/// ```
#[derive(Debug)]
pub struct AnyKind<C: Send + 'static>(pub(super) Choice<C>);

pub(super) enum Choice<C: Send + 'static> {
    Queue,
    Other(Box<dyn Kind<C>>),
    Lender(Box<dyn Lender<C>>),
}

impl<C: Send + 'static> AnyKind<C> {
    /// A kind of your own.
    pub fn of(kind: impl Kind<C>) -> Self {
        Self(Choice::Other(Box::new(kind)))
    }

    /// An engine's connections are borrowed from this foreign pool.
    pub fn lent_by(lender: impl Lender<C>) -> Self {
        Self(Choice::Lender(Box::new(lender)))
    }

    /// What a time-out's text calls it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Choice::Queue => "QueuePool",
            Choice::Other(kind) => kind.name(),
            Choice::Lender(_) => "AdoptedPool",
        }
    }
}

impl<C: Send + 'static> fmt::Debug for Choice<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue => f.write_str("Queue"),
            Self::Other(kind) => kind.fmt(f),
            Self::Lender(_) => f.write_str("Lender"),
        }
    }
}

impl<C: Send + 'static> From<Null> for AnyKind<C> {
    fn from(_: Null) -> Self {
        Self::of(Nothing("NullPool"))
    }
}

impl<C: Send + 'static> From<Queue> for AnyKind<C> {
    fn from(_: Queue) -> Self {
        Self(Choice::Queue)
    }
}

impl<C: Send + 'static> From<ThreadLocal> for AnyKind<C> {
    fn from(_: ThreadLocal) -> Self {
        Self::of(Threads::new())
    }
}

impl<C: Send + 'static> From<Static> for AnyKind<C> {
    fn from(_: Static) -> Self {
        Self::of(One::of_static())
    }
}

impl<C: Send + 'static> From<Assertion> for AnyKind<C> {
    fn from(_: Assertion) -> Self {
        Self::of(One::of_assertion())
    }
}

impl<C: Send + 'static> From<Pool<C>> for AnyKind<C> {
    fn from(pool: Pool<C>) -> Self {
        Self::lent_by(pool)
    }
}

impl<C: R2D2Connection + Send + 'static> From<Adopted<C>> for AnyKind<C> {
    fn from(pool: Adopted<C>) -> Self {
        Self::lent_by(pool)
    }
}

/// What is done with a checkout that finds no idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// At the limit it waits its turn.
    Wait,
    /// At the limit it fails at once, and names who has the connection.
    Refuse,
    /// It fails at once if the same thread has a connection already, and names the place.
    OnePerThread,
}

/// Who asks a [`Kind`] for an idle connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asker {
    /// Number of the thread, counted from 1 through the process.
    pub thread: u64,
}

/// An idle connection, as a [`Kind`] keeps it. One that is dropped is closed once the pool has left its locks, and
/// reported with [`Event::Invalidate`](crate::event::Event::Invalidate).
pub struct Idle<C: Send + 'static>(Option<Box<Record<C>>>);

impl<C: Send + 'static> Idle<C> {
    #[inline]
    pub(super) fn of(record: Box<Record<C>>) -> Self {
        Self(Some(record))
    }

    #[inline]
    pub(super) fn record(&self) -> &Record<C> {
        self.0.as_ref().expect(HAS_RECORD)
    }

    #[inline]
    pub(super) fn into_record(mut self) -> Box<Record<C>> {
        self.0.take().expect(HAS_RECORD)
    }

    /// Number of the connection, counted from 1 in each pool.
    pub fn id(&self) -> u64 {
        self.record().id
    }

    /// Its generation.
    pub fn generation(&self) -> u64 {
        self.record().generation
    }

    /// Number of the thread that had it last.
    pub fn thread(&self) -> u64 {
        self.record().permit.slot.thread()
    }
}

const HAS_RECORD: &str = "what takes the record out consumes it";

impl<C: Send + 'static> Drop for Idle<C> {
    #[inline]
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            // Under a lock of the pool's, which closing it would need.
            let shared = crate::sync::Arc::clone(&record.permit.shared);
            shared.strays.add(record);
        }
    }
}

impl<C: Send + 'static> fmt::Debug for Idle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Idle({})", self.id())
    }
}
