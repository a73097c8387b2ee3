//! What is under the ledger's lock: the slots, those who wait, and the counters.
//!
//! Nothing here does I/O, calls a callback, or drops a raw connection: each step answers what the caller has to do once
//! it has left the lock.

use std::collections::VecDeque;

use super::record::{RecordState, Slot};
use super::waiter::Waiter;
use crate::sync::Arc;

pub(super) struct Ledger<C: Send + 'static> {
    era: u64,
    pub(super) slots: Vec<Arc<Slot>>,
    free: Vec<usize>,
    pub(super) waiters: VecDeque<Arc<Waiter<C>>>,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) detached: u64,
    /// Whether `first_connect` has been told.
    pub(super) connected_before: bool,
}

impl<C: Send + 'static> Ledger<C> {
    pub(super) fn new(era: u64) -> Self {
        Self {
            era,
            slots: Vec::new(),
            free: Vec::new(),
            waiters: VecDeque::new(),
            opened: 0,
            closed: 0,
            detached: 0,
            connected_before: false,
        }
    }

    /// How many slots count against the limit.
    pub(super) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A free slot, now connecting.
    pub(super) fn open(&mut self) -> Arc<Slot> {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.slots.len();
            self.slots.push(Arc::new(Slot::new(index, self.era)));
            index
        });
        let slot = Arc::clone(&self.slots[index]);
        slot.enter(RecordState::Connecting);
        slot
    }

    /// Counts a new raw connection and answers its number.
    pub(super) fn connected(&mut self, slot: &Slot) -> u64 {
        self.opened += 1;
        slot.enter(RecordState::CheckedOut);
        slot.set_connection(self.opened);
        self.opened
    }

    /// Prepares a slot for a new raw connection.
    pub(super) fn connecting(&mut self, slot: &Slot) {
        self.forget_connection(slot);
        slot.enter(RecordState::Connecting);
    }

    /// Counts what has become of a slot's raw connection: closed, or else detached.
    pub(super) fn forget_connection(&mut self, slot: &Slot) {
        if slot.connection() > 0 {
            match slot.state() {
                RecordState::Closing => self.closed += 1,
                _ => self.detached += 1,
            }
            slot.set_connection(0);
        }
    }

    /// Makes a slot free.
    pub(super) fn free(&mut self, slot: &Slot) {
        slot.enter(RecordState::Free);
        self.free.push(slot.index);
    }

    /// Leaves the queue of those who wait; false if a grant came first.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter<C>>) -> bool {
        let place = self.waiters.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.is_some_and(|place| self.waiters.remove(place).is_some())
    }

    /// The first of those who wait who has not been told to look yet, now told; to be woken.
    pub(super) fn tell_one(&self) -> Option<Arc<Waiter<C>>> {
        self.waiters.iter().find(|waiter| waiter.tell()).cloned()
    }

    /// The slot that a thread has in use.
    pub(super) fn of_thread(&self, thread: u64) -> Option<&Arc<Slot>> {
        self.slots.iter().find(|slot| slot.is_out() && slot.thread() == thread)
    }

    pub(super) fn assert_invariants(&self, idle: &[u64], limit: usize) {
        let count = |state| self.slots.iter().filter(|slot| slot.state() == state).count();
        let (used, free) = (self.used(), count(RecordState::Free));
        assert_eq!(free, self.free.len(), "every free slot is in the list once");
        assert_eq!(count(RecordState::Idle), idle.len(), "every idle slot is kept once");
        assert!(used <= limit, "{used} connections, {limit} may be open");
        assert!(
            self.waiters.is_empty() || used == limit,
            "somebody waits while there is room"
        );
        let alive = self.slots.iter().filter(|slot| slot.connection() > 0).count();
        assert_eq!(
            Ok(self.opened - self.closed - self.detached),
            u64::try_from(alive),
            "opened - closed - detached = idle + held + closing"
        );
        for slot in &self.slots {
            let has = slot.connection() > 0;
            match slot.state() {
                RecordState::Free | RecordState::Connecting => assert!(!has, "no connection in slot {}", slot.index),
                RecordState::CheckedOut | RecordState::Idle | RecordState::Closing => {
                    assert!(has, "a connection in slot {}", slot.index);
                }
                RecordState::LeftBehind => {}
            }
        }
    }
}
