//! SQLAlchemy's `QueuePool`.

use std::collections::VecDeque;
use std::fmt;

use super::{Asker, Idle, Kind};
use crate::pool::options::{Limit, PoolOptions};

/// A number of connections that are kept, some more under load, and a queue of those who wait: the default.
///
/// Its settings are `pool_size`, `max_overflow` and `pool_use_lifo` of the [`PoolOptions`].
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, pool};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .pool(pool::Queue) // instead of one connection for each thread
///     .pool_size(1)
///     .max_overflow(0)
///     .build()?;
/// assert_eq!(engine.pool().kind(), "QueuePool");
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue;

/// The idle ones of a [`Queue`], in the order in which they came back.
pub(in crate::pool) struct Line<C: Send + 'static> {
    idle: VecDeque<Idle<C>>,
    limit: usize,
    keep: usize,
    use_lifo: bool,
}

impl<C: Send + 'static> Line<C> {
    pub(in crate::pool) fn new(options: &PoolOptions) -> Self {
        Self {
            idle: VecDeque::new(),
            limit: at_most(options.limit()),
            keep: at_most(options.pool_size),
            use_lifo: options.use_lifo,
        }
    }
}

fn at_most(limit: Limit) -> usize {
    match limit {
        Limit::AtMost(connections) => connections,
        Limit::Unlimited => usize::MAX,
    }
}

impl<C: Send + 'static> Kind<C> for Line<C> {
    fn name(&self) -> &'static str {
        "QueuePool"
    }

    fn limit(&self) -> usize {
        self.limit
    }

    fn keep(&self) -> usize {
        self.keep
    }

    fn divides(&self) -> bool {
        // The last one back is to be the next one out, whoever asks: that is what lets the others age out.
        !self.use_lifo
    }

    #[inline]
    fn take(&mut self, _: &Asker) -> Option<Idle<C>> {
        if self.use_lifo {
            self.idle.pop_back()
        } else {
            self.idle.pop_front()
        }
    }

    #[inline]
    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        self.idle.push_back(idle);
        Ok(())
    }

    fn idle(&self) -> usize {
        self.idle.len()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        let (gone, kept) = self.idle.drain(..).partition::<Vec<_>, _>(|idle| unfit(idle));
        self.idle.extend(kept);
        gone
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(Self {
            idle: VecDeque::new(),
            limit: self.limit,
            keep: self.keep,
            use_lifo: self.use_lifo,
        })
    }
}

impl<C: Send + 'static> fmt::Debug for Line<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueuePool({} idle)", self.idle.len())
    }
}
