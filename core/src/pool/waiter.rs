//! The queue of those who wait, and what they are handed.

use std::panic::Location;
use std::thread::Thread;
use std::time::Instant;

use super::record::{Record, Who};
use crate::clock::Clock;
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// What a waiter is handed. It is the owner's from then on: nobody else can take it.
pub(super) enum Grant<C> {
    /// A connection that came back.
    Record(Box<Record<C>>),
    /// The right to make one, in this slot.
    Permit(usize),
}

/// One caller in the queue.
pub(super) struct Waiter<C> {
    place: &'static Location<'static>,
    thread: Thread,
    /// Written under the pool's lock, so that whoever is no longer in the queue has been granted something. Lock order:
    /// the pool's, then this.
    grant: Mutex<Option<Grant<C>>>,
    granted: Condvar,
}

impl<C> Waiter<C> {
    pub(super) fn new(who: Who<'_>) -> Self {
        Self {
            place: who.place,
            thread: who.thread.clone(),
            grant: Mutex::new(None),
            granted: Condvar::new(),
        }
    }

    /// Who it is, as the holder of what it is handed now.
    pub(super) fn who(&self, since: Instant) -> Who<'_> {
        Who {
            place: self.place,
            since,
            thread: &self.thread,
        }
    }

    /// Hands it over; the caller wakes the waiter with [`wake`](Self::wake) after it has left the pool's lock.
    pub(super) fn hand(&self, grant: Grant<C>) {
        *lock(&self.grant) = Some(grant);
    }

    pub(super) fn wake(&self) {
        self.granted.notify_one();
    }

    pub(super) fn take(&self) -> Option<Grant<C>> {
        lock(&self.grant).take()
    }

    /// Waits for a grant, until `deadline` or for ever.
    pub(super) fn wait(&self, clock: &Clock, deadline: Option<Instant>) -> Option<Grant<C>> {
        let mut grant = lock(&self.grant);
        loop {
            if let Some(grant) = grant.take() {
                return Some(grant);
            }
            grant = match deadline {
                None => self.granted.wait(grant).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) if clock.now() >= deadline => return None,
                Some(deadline) => clock.wait_until(&self.granted, grant, deadline),
            };
        }
    }
}
