//! One connection for each thread.

use std::collections::HashMap;
use std::fmt;

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
    idle: HashMap<u64, Idle<C>>,
    lives: HashMap<u64, Life>,
}

impl<C: Send + 'static> Threads<C> {
    pub(in crate::pool) fn new() -> Self {
        Self {
            idle: HashMap::new(),
            lives: HashMap::new(),
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
        let idle = self.idle.remove(&asker.thread);
        if idle.is_none() {
            // It is going to make one: asked on its own thread, whose end is to be noticed.
            self.lives.entry(asker.thread).or_insert_with(Life::of_this_thread);
        }
        idle
    }

    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        let owner = idle.thread();
        if self.lives.get(&owner).is_none_or(Life::is_over) {
            return Err(idle);
        }
        match self.idle.insert(owner, idle) {
            None => Ok(()),
            Some(other) => Err(other),
        }
    }

    fn idle(&self) -> usize {
        self.idle.len()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        self.idle
            .extract_if(|_, idle| unfit(idle))
            .map(|(_, idle)| idle)
            .collect()
    }

    fn orphans(&mut self) -> Vec<Idle<C>> {
        let ended: Vec<u64> = self
            .lives
            .extract_if(|_, life| life.is_over())
            .map(|(thread, _)| thread)
            .collect();
        ended.iter().filter_map(|thread| self.idle.remove(thread)).collect()
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(Self::new())
    }
}

impl<C: Send + 'static> fmt::Debug for Threads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadLocalPool({} idle)", self.idle.len())
    }
}
