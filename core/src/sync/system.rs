//! The primitives that programs run on.

use std::panic::AssertUnwindSafe;
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::panicking;

/// What a panic carried, instead of the panic.
pub(crate) fn catch_unwind<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(call))
}

/// Waits for a notification, or for that long, or for no reason at all.
pub(crate) fn wait_timeout<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
    condvar
        .wait_timeout(guard, timeout)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

/// Waits on a clock that moves without telling anybody: for a notification, or until it is worth looking again.
pub(crate) fn wait_on_test_clock<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    _let_it_time_out: impl FnOnce(),
) -> MutexGuard<'a, T> {
    wait_timeout(condvar, guard, Duration::from_millis(1))
}
