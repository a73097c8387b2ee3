//! Connections that a kind of the user's has dropped, although it may not: they wait here for somebody who holds no lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::record::Record;

/// Its lock is the last one of all: nothing is called under it. (It is `std`'s, since nobody waits for what is in it.)
pub(super) struct Strays<C: Send + 'static> {
    any: AtomicBool,
    all: Mutex<Vec<Box<Record<C>>>>,
}

impl<C: Send + 'static> Strays<C> {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            all: Mutex::new(Vec::new()),
        }
    }

    #[cold]
    pub(super) fn add(&self, record: Box<Record<C>>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(record);
        self.any.store(true, Ordering::Release);
    }

    /// What there is, to be closed.
    pub(super) fn take(&self) -> Vec<Box<Record<C>>> {
        if !self.any.load(Ordering::Relaxed) || !self.any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
