//! One caller in the queue, and what it is handed.

use std::thread::{self, Thread};
use std::time::Instant;

use super::record::{Permit, Record, Who};
use crate::clock::Clock;
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// What a waiter is handed. It is the owner's from then on: nobody else can take it.
pub(super) enum Grant<C: Send + 'static> {
    /// A connection that came back.
    Record(Box<Record<C>>),
    /// The right to make one.
    Permit(Permit<C>),
}

/// What ends a wait.
pub(super) enum Woken<C: Send + 'static> {
    Granted(Grant<C>),
    /// Something came back and may still be there.
    Look,
    TimedOut,
    /// The caller was told to stop.
    Stopped,
}

/// One caller in the queue.
pub(super) struct Waiter<C: Send + 'static> {
    pub(super) who: Who,
    /// The number of the era in whose queue it stands.
    pub(super) era: u64,
    thread: Thread,
    /// When it began to wait.
    pub(super) since: Instant,
    /// Written under the ledger's lock, so that whoever is no longer in the queue has been granted something. Lock order:
    /// the ledger's, then this.
    mail: Mutex<Mail<C>>,
    changed: Condvar,
}

struct Mail<C: Send + 'static> {
    grant: Option<Grant<C>>,
    look: bool,
    stopped: bool,
}

impl<C: Send + 'static> Waiter<C> {
    pub(super) fn new(who: Who, era: u64, since: Instant) -> Self {
        Self {
            who,
            era,
            thread: thread::current(),
            since,
            mail: Mutex::new(Mail {
                grant: None,
                look: false,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
    }

    /// Hands it over; the caller wakes the waiter with [`wake`](Self::wake) after it has left the ledger's lock.
    pub(super) fn hand(&self, grant: Grant<C>) {
        lock(&self.mail).grant = Some(grant);
    }

    /// Tells it to look for itself; false if it has been told already and has not looked yet.
    pub(super) fn tell(&self) -> bool {
        !std::mem::replace(&mut lock(&self.mail).look, true)
    }

    /// Ends the wait of a caller that has been told to stop.
    pub(super) fn stop(&self) {
        lock(&self.mail).stopped = true;
        self.wake();
    }

    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(super) fn take(&self) -> Option<Grant<C>> {
        lock(&self.mail).grant.take()
    }

    /// Waits until there is news, until `deadline`, or for ever.
    pub(super) fn wait(&self, clock: &Clock, deadline: Option<Instant>) -> Woken<C> {
        let mut mail = lock(&self.mail);
        loop {
            if let Some(grant) = mail.grant.take() {
                return Woken::Granted(grant);
            }
            if std::mem::take(&mut mail.look) {
                return Woken::Look;
            }
            if mail.stopped {
                return Woken::Stopped;
            }
            mail = match deadline {
                None => self.changed.wait(mail).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) if clock.now() >= deadline => return Woken::TimedOut,
                Some(deadline) => clock.wait_until(&self.changed, mail, deadline),
            };
        }
    }
}
