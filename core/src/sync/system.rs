//! The primitives that programs run on.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::{PoisonError, Weak};
use std::time::Duration;

pub(crate) use std::panic::resume_unwind;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::panicking;

/// Whether a schedule explorer runs all this.
pub(crate) const EXPLORED: bool = false;

/// The number of this thread, counted from 1 through the process.
#[inline]
pub(crate) fn thread_number() -> u64 {
    use std::sync::atomic::Ordering;
    thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NUMBER
        .try_with(|number| match number.get() {
            0 => {
                let new = NEXT.fetch_add(1, Ordering::Relaxed);
                number.set(new);
                new
            }
            known => known,
        })
        .unwrap_or(u64::MAX)
}

/// What dies with this thread.
pub(crate) fn thread_life() -> Weak<()> {
    thread_local!(static LIFE: std::sync::Arc<()> = std::sync::Arc::new(()));
    LIFE.try_with(std::sync::Arc::downgrade).unwrap_or_default()
}

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
