//! The pool's slots and the life of each.
//!
//! SQLAlchemy calls a slot a connection record: it owns one raw connection at a time, and outlives it when the
//! connection is replaced. [`Slots::enter`] is the only place that assigns a state.

use std::panic::Location;
use std::thread::{Thread, ThreadId};
use std::time::Instant;

use super::error::Holder;

/// Where a slot is in its life. No state but [`Free`](Self::Free) and [`Idle`](Self::Idle) lasts without an owner on
/// some thread's stack, whose drop ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordState {
    /// Unused; it does not count against the limit. Exits:
    /// - `Connecting`: a checkout finds nothing idle, and room for one more.
    Free,
    /// A permit: its owner makes a raw connection or is about to. Exits:
    /// - `CheckedOut`: connected.
    /// - `Connecting`: connecting failed or panicked, and the longest waiter takes the permit over.
    /// - `Free`: the same, and nobody waits.
    Connecting,
    /// Its raw connection is with a borrower. Exits:
    /// - `Idle`: returned in good state.
    /// - `CheckedOut`: the same, and the longest waiter takes it over.
    /// - `Closing`: invalidated, retired, too old, refused, dropped while busy, not resettable, or one too many.
    /// - `Connecting` or `Free`: detached, so that the raw connection lives on outside; as after `Connecting`.
    CheckedOut,
    /// Its raw connection is in the queue. Exits:
    /// - `CheckedOut`: the next checkout.
    /// - `Closing`: `dispose`.
    Idle,
    /// Its raw connection is being closed, outside the lock. Exits:
    /// - `Connecting`: closed, and replaced within the same checkout, or the longest waiter takes the permit over.
    /// - `Free`: closed, and nobody waits.
    Closing,
}

impl RecordState {
    /// The table of the variants' docs.
    fn leads_to(self, next: Self) -> bool {
        use RecordState::{CheckedOut, Closing, Connecting, Free, Idle};
        match self {
            Free => next == Connecting,
            Connecting => matches!(next, CheckedOut | Connecting | Free),
            CheckedOut => matches!(next, Idle | CheckedOut | Closing | Connecting | Free),
            Idle => matches!(next, CheckedOut | Closing),
            Closing => matches!(next, Connecting | Free),
        }
    }
}

/// A raw connection with what the pool knows of it. It moves between the queue and its borrower as one pointer.
pub(super) struct Record<C> {
    pub(super) raw: C,
    pub(super) slot: usize,
    pub(super) id: u64,
    /// That of the pool when connecting began.
    pub(super) generation: u64,
    pub(super) connected_at: Instant,
    /// Noted at return, if somebody is going to ask.
    pub(super) idle_since: Option<Instant>,
}

/// Who asked for a connection.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) place: &'static Location<'static>,
    pub(super) since: Instant,
    pub(super) thread: &'a Thread,
}

struct Slot {
    state: RecordState,
    connection: u64,
    place: &'static Location<'static>,
    since: Instant,
    thread: Thread,
}

/// Every slot, used or free.
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The one place that assigns a state.
    #[inline]
    pub(super) fn enter(&mut self, slot: usize, next: RecordState) {
        let state = &mut self.slots[slot].state;
        debug_assert!(state.leads_to(next), "slot {slot} cannot go from {state:?} to {next:?}");
        *state = next;
        if next == RecordState::Free {
            self.free.push(slot);
        }
    }

    /// A free slot, now connecting for `who`.
    pub(super) fn open(&mut self, who: Who<'_>) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            let Who { place, since, thread } = who;
            self.slots.push(Slot {
                state: RecordState::Free,
                connection: 0,
                place,
                since,
                thread: thread.clone(),
            });
            self.slots.len() - 1
        });
        self.enter(slot, RecordState::Connecting);
        self.hold(slot, who);
        slot
    }

    /// Notes who has the slot.
    #[inline]
    pub(super) fn hold(&mut self, slot: usize, who: Who<'_>) {
        let slot = &mut self.slots[slot];
        slot.place = who.place;
        slot.since = who.since;
        // Mostly it is the thread that had it last; a clone would write to a counter that all its slots share.
        if slot.thread.id() != who.thread.id() {
            slot.thread = who.thread.clone();
        }
    }

    pub(super) fn connected(&mut self, slot: usize, connection: u64) {
        self.enter(slot, RecordState::CheckedOut);
        self.slots[slot].connection = connection;
    }

    pub(super) fn state(&self, slot: usize) -> RecordState {
        self.slots[slot].state
    }

    /// How many count against the limit.
    pub(super) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn count(&self, state: RecordState) -> usize {
        self.slots.iter().filter(|slot| slot.state == state).count()
    }

    /// Who has a connection or makes one, the longest first.
    pub(super) fn holders(&self, now: Instant) -> Vec<Holder> {
        let mut held: Vec<_> = self.slots.iter().filter_map(|slot| slot.holder(now)).collect();
        held.sort_by_key(|holder| std::cmp::Reverse(holder.age));
        held
    }
}

impl Slot {
    fn holder(&self, now: Instant) -> Option<Holder> {
        let connection = match self.state {
            RecordState::CheckedOut => Some(self.connection),
            RecordState::Connecting => None,
            RecordState::Free | RecordState::Idle | RecordState::Closing => return None,
        };
        Some(Holder {
            connection,
            place: self.place,
            age: now.saturating_duration_since(self.since),
            thread: name(self.thread.name(), self.thread.id()),
        })
    }
}

fn name(name: Option<&str>, id: ThreadId) -> String {
    name.map_or_else(|| format!("{id:?}"), str::to_owned)
}
