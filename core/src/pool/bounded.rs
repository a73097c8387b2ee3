//! Calls that may take longer than their caller will wait: they run on a helper thread, which is left behind if they do.
//!
//! No client library lets us set a time-out on a connect or a ping once it has begun, and a peer that swallows packets
//! answers neither yes nor no. Helper threads are shared by all pools of the process and end after a few idle seconds.

#[cfg(not(any(aludel_shuttle, aludel_loom)))]
mod helpers;

use std::time::Instant;

use super::who::{acting_for, acting_thread};
use crate::clock::Clock;
#[cfg(any(aludel_shuttle, aludel_loom))]
use crate::sync::run_beside as helper;
use crate::sync::{Arc, Condvar, Mutex, PoisonError, lock};
#[cfg(not(any(aludel_shuttle, aludel_loom)))]
use helpers::helper;

/// A call, and what becomes of it.
pub(super) struct Bounded<'a, J, L, A> {
    pub(super) clock: &'a Clock,
    /// `None` is never: then the call should not come here.
    pub(super) deadline: Option<Instant>,
    /// May not panic.
    pub(super) job: J,
    /// Runs on the caller's thread when it gives up, and before `late`.
    pub(super) left: L,
    /// Runs on the helper with what came too late.
    pub(super) late: A,
}

enum Progress<T> {
    Running,
    Done(T),
    Left,
}

/// Runs the job; `None` if it was left behind.
pub(super) fn bounded<T, J, L, A>(call: Bounded<'_, J, L, A>) -> Option<T>
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
    L: FnOnce(),
    A: FnOnce(T) + Send + 'static,
{
    let Bounded {
        clock,
        deadline,
        job,
        left,
        late,
    } = call;
    let meeting = Arc::new((Mutex::new(Progress::Running), Condvar::new()));
    let theirs = Arc::clone(&meeting);
    let log = tracing::dispatcher::get_default(Clone::clone);
    let caller = acting_thread();
    helper(Box::new(move || {
        let value = tracing::dispatcher::with_default(&log, || acting_for(caller, job));
        let (progress, changed) = &*theirs;
        let mut progress = lock(progress);
        if matches!(*progress, Progress::Left) {
            drop(progress);
            tracing::dispatcher::with_default(&log, || late(value));
        } else {
            *progress = Progress::Done(value);
            changed.notify_one();
        }
    }));
    let (progress, changed) = &*meeting;
    let mut progress = lock(progress);
    loop {
        match std::mem::replace(&mut *progress, Progress::Running) {
            Progress::Done(value) => return Some(value),
            _ if deadline.is_some_and(|deadline| clock.now() >= deadline) => {
                left();
                *progress = Progress::Left;
                return None;
            }
            _ => {}
        }
        progress = match deadline {
            None => changed.wait(progress).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => clock.wait_until(changed, progress, deadline),
        };
    }
}
