//! SQLAlchemy's `QueuePool`: what is under the pool's lock.
//!
//! Nothing here does I/O, calls a callback, or drops a raw connection: each step answers what the caller has to do once
//! it has left the lock.

use std::collections::VecDeque;

use super::options::{Limit, PoolOptions};
use super::record::{Record, RecordState, Slots, Who};
use super::status::Status;
use super::waiter::{Grant, Waiter};
use crate::clock::Clock;
use crate::sync::Arc;

pub(super) struct Queue<C> {
    pub(super) slots: Slots,
    pub(super) generation: u64,
    /// Invariant: empty while somebody waits.
    idle: VecDeque<Box<Record<C>>>,
    waiters: VecDeque<Arc<Waiter<C>>>,
    /// `usize::MAX` stands for no limit.
    limit: usize,
    keep: usize,
    use_lifo: bool,
    opened: u64,
    closed: u64,
    detached: u64,
}

fn at_most(limit: Limit) -> usize {
    match limit {
        Limit::AtMost(connections) => connections,
        Limit::Unlimited => usize::MAX,
    }
}

/// What a checkout finds.
pub(super) enum Taken<C> {
    Record(Box<Record<C>>),
    Permit(usize),
    Wait(Arc<Waiter<C>>),
}

/// What becomes of a connection that came back.
pub(super) enum Put<C> {
    Kept,
    Handed(Arc<Waiter<C>>),
    /// Retired, or one too many.
    Close(Box<Record<C>>),
}

impl<C> Queue<C> {
    pub(super) fn new(options: &PoolOptions) -> Self {
        Self {
            slots: Slots::new(),
            generation: 0,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
            limit: at_most(options.limit()),
            keep: at_most(options.pool_size),
            use_lifo: options.use_lifo,
            opened: 0,
            closed: 0,
            detached: 0,
        }
    }

    /// An idle connection, or a permit, or the last place in the queue of those who wait.
    pub(super) fn take(&mut self, who: Who<'_>) -> Taken<C> {
        let idle = if self.use_lifo {
            self.idle.pop_back()
        } else {
            self.idle.pop_front()
        };
        if let Some(record) = idle {
            self.slots.enter(record.slot, RecordState::CheckedOut);
            self.slots.hold(record.slot, who);
            Taken::Record(record)
        } else if self.slots.used() < self.limit {
            Taken::Permit(self.slots.open(who))
        } else {
            let waiter = Arc::new(Waiter::new(who));
            self.waiters.push_back(Arc::clone(&waiter));
            Taken::Wait(waiter)
        }
    }

    /// Takes a connection back: to the longest waiter, or to the idle ones.
    pub(super) fn put(&mut self, record: Box<Record<C>>, clock: &Clock) -> Put<C> {
        let slot = record.slot;
        if record.generation < self.generation {
            Put::Close(record)
        } else if let Some(waiter) = self.waiters.pop_front() {
            self.slots.enter(slot, RecordState::CheckedOut);
            Put::Handed(self.hand(slot, waiter, Grant::Record(record), clock))
        } else if self.idle.len() < self.keep {
            self.slots.enter(slot, RecordState::Idle);
            self.idle.push_back(record);
            Put::Kept
        } else {
            Put::Close(record)
        }
    }

    /// Ends the use of a slot whose raw connection was never made, is closed, or is detached. The permit goes to the
    /// longest waiter, who is to be woken.
    pub(super) fn release(&mut self, slot: usize, clock: &Clock) -> Option<Arc<Waiter<C>>> {
        match self.slots.state(slot) {
            RecordState::Closing => self.closed += 1,
            RecordState::CheckedOut => self.detached += 1,
            RecordState::Connecting | RecordState::Free | RecordState::Idle => {}
        }
        let Some(waiter) = self.waiters.pop_front() else {
            self.slots.enter(slot, RecordState::Free);
            return None;
        };
        self.slots.enter(slot, RecordState::Connecting);
        Some(self.hand(slot, waiter, Grant::Permit(slot), clock))
    }

    fn hand(&mut self, slot: usize, waiter: Arc<Waiter<C>>, grant: Grant<C>, clock: &Clock) -> Arc<Waiter<C>> {
        self.slots.hold(slot, waiter.who(clock.now()));
        waiter.hand(grant);
        waiter
    }

    /// Leaves the queue of those who wait; false if a grant came first.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter<C>>) -> bool {
        let place = self.waiters.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.is_some_and(|place| self.waiters.remove(place).is_some())
    }

    /// Prepares a slot for a new raw connection and answers the generation it will have.
    pub(super) fn connecting(&mut self, slot: usize) -> u64 {
        if self.slots.state(slot) == RecordState::Closing {
            self.closed += 1;
        }
        self.slots.enter(slot, RecordState::Connecting);
        self.generation
    }

    /// Notes that a raw connection is being closed; `dispose` has done so already for all it took.
    pub(super) fn closing(&mut self, slot: usize) {
        if self.slots.state(slot) != RecordState::Closing {
            self.slots.enter(slot, RecordState::Closing);
        }
    }

    /// Counts a new raw connection and answers its number.
    pub(super) fn connected(&mut self, slot: usize) -> u64 {
        self.opened += 1;
        self.slots.connected(slot, self.opened);
        self.opened
    }

    /// Starts a new generation, unless that has happened since `generation`.
    pub(super) fn retire(&mut self, generation: u64) -> bool {
        let first = generation >= self.generation;
        if first {
            self.generation += 1;
        }
        first
    }

    /// Every idle connection, to be closed.
    pub(super) fn drain(&mut self) -> Vec<Box<Record<C>>> {
        let idle: Vec<_> = self.idle.drain(..).collect();
        for record in &idle {
            self.slots.enter(record.slot, RecordState::Closing);
        }
        idle
    }

    pub(super) fn status(&self, options: &PoolOptions) -> Status {
        let total = self.slots.used();
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let (size, overflow) = match options.pool_size {
            Limit::AtMost(size) => (size, signed(total) - signed(size)),
            Limit::Unlimited => (0, 0),
        };
        Status {
            size,
            checked_in: self.idle.len(),
            overflow,
            checked_out: total - self.idle.len(),
            waiting: self.waiters.len(),
            opened: self.opened,
            closed: self.closed,
            detached: self.detached,
        }
    }

    pub(super) fn assert_invariants(&self) {
        let count = |state| self.slots.count(state);
        let (idle, used) = (count(RecordState::Idle), self.slots.used());
        assert_eq!(idle, self.idle.len(), "every idle slot is in the queue once");
        assert!(
            self.idle
                .iter()
                .all(|record| self.slots.state(record.slot) == RecordState::Idle)
        );
        assert!(idle <= self.keep, "{idle} idle connections, {} may be kept", self.keep);
        assert!(used <= self.limit, "{used} connections, {} may be open", self.limit);
        assert!(
            self.waiters.is_empty() || used == self.limit && idle == 0,
            "somebody waits for what is there"
        );
        let alive = idle + count(RecordState::CheckedOut) + count(RecordState::Closing);
        let counted = self.opened - self.closed - self.detached;
        assert_eq!(
            Ok(counted),
            u64::try_from(alive),
            "opened - closed - detached = idle + held + closing"
        );
        assert_eq!(used, alive + count(RecordState::Connecting), "no slot is lost");
    }
}
