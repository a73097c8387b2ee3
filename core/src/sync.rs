//! The one place that names the synchronisation primitives the pool and the clock are built from.
//!
//! Schedule explorers swap them for their own: the packages in `tests/proof/` compile this crate's very source with
//! `cfg(aludel_shuttle)` or `cfg(aludel_loom)`. Nothing else in this crate names `std::sync` for state that threads share
//! and wait for, asks `std::thread` who it is or whether it panics, or catches a panic. (What is only ever looked up, never
//! waited for, may: see `pool/who.rs`.)

#[cfg(not(any(aludel_shuttle, aludel_loom)))]
mod system;
#[cfg(not(any(aludel_shuttle, aludel_loom)))]
pub(crate) use system::*;

#[cfg(any(aludel_shuttle, aludel_loom))]
pub mod explored;
#[cfg(any(aludel_shuttle, aludel_loom))]
pub(crate) use explored::*;

pub(crate) use std::sync::{Arc, OnceLock, PoisonError};

/// Locks, poisoned or not.
///
/// What we keep under a lock is consistent between any two statements that can panic, so a panic elsewhere says nothing
/// about it, and a wedged pool would be worse than the panic.
#[inline]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
