//! The one place that names the synchronisation primitives the pool and the clock are built from.
//!
//! A schedule explorer swaps these for its own; nothing else in this crate names `std::sync` for state that threads
//! share. (What is only ever looked up, never waited for, may: see `pool/who.rs`.)

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Locks, poisoned or not.
///
/// What we keep under a lock is consistent between any two statements that can panic, so a panic elsewhere says nothing
/// about it, and a wedged pool would be worse than the panic.
#[inline]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
