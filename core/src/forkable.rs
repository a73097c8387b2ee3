//! A lock that a forked child does not wait for in vain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;

use crate::process;

/// How often a child looks before it takes a lock for one that nobody will ever open. What is kept here is looked at for
/// less than a microsecond; more often, and a child whose lock is lost waits longer, once.
const LOOKS: u32 = 10_000;

/// What all pools of a process, or all threads of an engine, look at for a moment. A fork may copy it locked, by a thread
/// that the child does not have: then it is lost there, and the child goes without.
///
/// (A pool's own state is not kept so: a child begins another, and never looks at the parent's.)
#[derive(Debug)]
pub(crate) struct Forkable<T> {
    value: Mutex<T>,
    /// The number of forks behind the process where it is lost.
    lost: AtomicU64,
}

impl<T> Forkable<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            lost: AtomicU64::new(0),
        }
    }

    /// Looks at the value; `None` if it is lost.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        let forks = process::forks();
        let mut value = if forks == 0 {
            self.value.lock().unwrap_or_else(PoisonError::into_inner)
        } else if self.lost.load(Ordering::Relaxed) == forks {
            return None;
        } else {
            let found = (0..LOOKS).find_map(|_| match self.value.try_lock() {
                Ok(value) => Some(value),
                Err(TryLockError::Poisoned(value)) => Some(value.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    thread::yield_now();
                    None
                }
            });
            let Some(value) = found else {
                self.lost.store(forks, Ordering::Relaxed);
                return None;
            };
            value
        };
        Some(look(&mut value))
    }
}

impl<T: Default> Default for Forkable<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
