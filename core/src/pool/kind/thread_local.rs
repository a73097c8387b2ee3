//! One connection for each thread.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::{Asker, Idle, Kind, Rule};
use crate::pool::who::Life;

/// One connection for each thread, which keeps it (SQLAlchemy's `SingletonThreadPool`): the default for an SQLite
/// database in memory, which each thread then has for itself.
///
/// - A second checkout on a thread whose connection is in use fails at once and names the place of the first: two
///   borrowers of one connection would share its transaction.
/// - A connection that was moved to another thread goes home to the thread that had checked it out.
/// - The connection of a thread that has ended is closed when the next one is made. (SQLAlchemy closes those of living
///   threads above `pool_size`, also in use.)
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// assert_eq!(engine.pool().kind(), "ThreadLocalPool");
/// let first = engine.raw_connection()?;
/// let error = engine.raw_connection().unwrap_err();
/// assert!(error.to_string().contains("this thread"), "{error}");
/// # drop(first);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadLocal;

/// The idle connections of a [`ThreadLocal`] pool, by thread.
pub(in crate::pool) struct Threads<C: Send + 'static> {
    seats: HashMap<u64, Seat<C>, BuildHasherDefault<NumberHasher>>,
}

/// One thread's place: whether it still lives, and its connection while that is idle.
struct Seat<C: Send + 'static> {
    life: Life,
    idle: Option<Idle<C>>,
}

/// Threads are numbered one by one, by us: nobody can choose numbers that collide, and the standard hasher's protection
/// against that would cost as much as all the rest of a checkout.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // By 2^64 over the golden ratio, which leaves neighbours far apart in the upper bits as well, and the map looks at
        // both.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl<C: Send + 'static> Threads<C> {
    pub(in crate::pool) fn new() -> Self {
        Self {
            seats: HashMap::default(),
        }
    }
}

impl<C: Send + 'static> Kind<C> for Threads<C> {
    fn name(&self) -> &'static str {
        "ThreadLocalPool"
    }

    fn rule(&self) -> Rule {
        Rule::OnePerThread
    }

    fn take(&mut self, asker: &Asker) -> Option<Idle<C>> {
        match self.seats.entry(asker.thread) {
            Entry::Occupied(mut seat) => seat.get_mut().idle.take(),
            Entry::Vacant(seat) => {
                // It is going to make one: asked on its own thread, whose end is to be noticed.
                seat.insert(Seat {
                    life: Life::of_this_thread(),
                    idle: None,
                });
                None
            }
        }
    }

    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        match self.seats.get_mut(&idle.thread()) {
            Some(seat) if !seat.life.is_over() => seat.idle.replace(idle).map_or(Ok(()), Err),
            _ => Err(idle),
        }
    }

    fn idle(&self) -> usize {
        self.seats.values().filter(|seat| seat.idle.is_some()).count()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        self.seats
            .values_mut()
            .filter_map(|seat| seat.idle.take_if(|idle| unfit(idle)))
            .collect()
    }

    fn orphans(&mut self) -> Vec<Idle<C>> {
        self.seats
            .extract_if(|_, seat| seat.life.is_over())
            .filter_map(|(_, seat)| seat.idle)
            .collect()
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(Self::new())
    }
}

impl<C: Send + 'static> fmt::Debug for Threads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadLocalPool({} idle)", self.idle())
    }
}
