//! What is done with the first connection only, while others wait.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{ConnectHook, ConnectInfo};
use crate::error::Result;
use crate::pool::acting_thread;
use crate::process;
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The `on_first_connect` hooks, which run until they have once succeeded.
pub(in crate::engine) struct FirstConnect<C> {
    hooks: Vec<Box<ConnectHook<C>>>,
    done: AtomicBool,
    /// Who runs them at the moment: the thread that asked, for a helper may do the work, in which process, counted in
    /// forks. It is set and looked at under the lock; the hooks run without it.
    running: Mutex<Option<(u64, u64)>>,
    ended: Condvar,
}

impl<C> FirstConnect<C> {
    pub(in crate::engine) fn new(hooks: Vec<Box<ConnectHook<C>>>) -> Self {
        Self {
            done: AtomicBool::new(hooks.is_empty()),
            hooks,
            running: Mutex::new(None),
            ended: Condvar::new(),
        }
    }

    pub(super) fn run(&self, connection: &mut C, info: &ConnectInfo<'_>) -> Result<()> {
        let Some(_turn) = self.turn() else { return Ok(()) };
        for hook in &self.hooks {
            hook(connection, info)?;
        }
        self.done.store(true, Ordering::Release);
        Ok(())
    }

    /// The right to run the hooks; `None` once they have run, and for a hook that connects, which would wait for itself.
    fn turn(&self) -> Option<Turn<'_, C>> {
        if self.done.load(Ordering::Acquire) {
            return None;
        }
        let this = acting_thread();
        let mut running = lock(&self.running);
        while let Some((other, forks)) = *running {
            if forks != process::forks() {
                // A forked child does not have that thread, and would wait for it for ever.
                break;
            }
            if other == this {
                return None;
            }
            running = self.ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        if self.done.load(Ordering::Acquire) {
            return None;
        }
        *running = Some((this, process::forks()));
        Some(Turn(self))
    }
}

/// Dropped, also by a panic, it lets the next one have its turn.
struct Turn<'a, C>(&'a FirstConnect<C>);

impl<C> Drop for Turn<'_, C> {
    fn drop(&mut self) {
        *lock(&self.0.running) = None;
        self.0.ended.notify_all();
    }
}
