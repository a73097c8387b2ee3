//! The primitives of a schedule explorer, and what it has to be told.
//!
//! All its threads run on one thread of the system, so anything of the standard library's that goes by threads (whether
//! it panics, thread-local values) would be everybody's.

use std::any::Any;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

#[cfg(aludel_loom)]
use loom as explorer;
#[cfg(aludel_shuttle)]
use shuttle as explorer;

pub(crate) use explorer::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
pub(crate) use explorer::sync::{Condvar, Mutex, MutexGuard};

/// Whether a schedule explorer runs all this.
pub(crate) const EXPLORED: bool = true;

explorer::thread_local! {
    static PANICS: Cell<u32> = Cell::new(0);
}

explorer::thread_local! {
    static LIFE: Arc<()> = Arc::new(());
}

/// Whether this thread unwinds from a panic that [`panic`] has begun.
pub(crate) fn panicking() -> bool {
    PANICS.with(Cell::get) > 0
}

/// Panics, and lets the pool know whose panic it is. There is no message: it is going to be caught.
pub fn panic(payload: impl Any + Send) -> ! {
    resume_unwind(Box::new(payload))
}

/// Goes on with a panic that was caught.
pub(crate) fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    PANICS.with(|panics| panics.set(panics.get() + 1));
    std::panic::resume_unwind(payload)
}

/// Runs it on a thread of its own.
pub(crate) fn run_beside(job: Box<dyn FnOnce() + Send>) {
    explorer::thread::spawn(job);
}

/// What dies with this thread.
pub(crate) fn thread_life() -> Weak<()> {
    LIFE.try_with(Arc::downgrade).unwrap_or_default()
}

/// The number of this thread, counted from 1 in each schedule.
#[cfg(aludel_shuttle)]
pub(crate) fn thread_number() -> u64 {
    usize::from(shuttle::thread::current().id()) as u64 + 1
}

/// The number of this thread, counted from 1 in each schedule. Loom says it in no other way.
#[cfg(aludel_loom)]
pub(crate) fn thread_number() -> u64 {
    let digits: String = format!("{:?}", loom::thread::current().id())
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse::<u64>().expect("it is a number") + 1
}

/// What a panic carried, instead of the panic.
///
/// # Errors
///
/// What it carried.
pub fn catch_unwind<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = PANICS.with(Cell::get);
    let answer = std::panic::catch_unwind(AssertUnwindSafe(call));
    PANICS.with(|panics| panics.set(before));
    answer
}

/// Waits for a notification. Explorers know no time, and a pool under one has a test clock.
pub(crate) fn wait_timeout<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, _: Duration) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, and for nothing else, so that one that is lost shows as a deadlock; or lets it time out, as
/// the schedule has it.
pub(crate) fn wait_on_test_clock<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    let_it_time_out: impl FnOnce(),
) -> MutexGuard<'a, T> {
    if times_out() {
        let_it_time_out();
        return guard;
    }
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(aludel_shuttle)]
fn times_out() -> bool {
    use shuttle::rand::{Rng, thread_rng};
    thread_rng().gen_bool(0.25)
}

/// Loom has no dice: there another thread turns the clock.
#[cfg(aludel_loom)]
fn times_out() -> bool {
    false
}
