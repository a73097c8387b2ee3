//! A pool's slots, the life of each, and the raw connection that a slot owns for a while.
//!
//! SQLAlchemy calls a slot a connection record: it owns one raw connection at a time, and outlives it when the
//! connection is replaced. [`Slot::enter`] is the only place that assigns a state.

use std::sync::atomic::Ordering;
use std::thread::{self, Thread};

use super::Shared;
use super::error::Holder;
use super::extensions::Extensions;
use super::raw::Raw;
use super::who::Place;
use crate::clock::{Clock, Ticks};
use crate::sync::{Arc, AtomicBool, AtomicU8, AtomicU64, Mutex, lock};

/// Where a slot is in its life. No state but [`Free`](Self::Free) and [`Idle`](Self::Idle) lasts without an owner on
/// some thread's stack, whose drop ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecordState {
    /// Unused; it does not count against the limit. Exits:
    /// - `Connecting`: a checkout finds nothing idle, and room for one more; or the maintenance thread fills up.
    Free,
    /// A permit: its owner makes a raw connection or is about to. Exits:
    /// - `CheckedOut`: connected.
    /// - `Connecting`: connecting failed or panicked, and the longest waiter takes the permit over.
    /// - `LeftBehind`: it took longer than the caller would wait.
    /// - `Free`: it failed, and nobody waits.
    Connecting,
    /// Its raw connection is with a borrower. Exits:
    /// - `Idle`: returned in good state.
    /// - `CheckedOut`: the same, and the longest waiter takes it over.
    /// - `LeftBehind`: the server did not answer a ping in time.
    /// - `Closing`: invalidated, retired, too old, refused, dropped while busy, not resettable, or one too many.
    /// - `Connecting` or `Free`: detached, so that the raw connection lives on outside; as after `Connecting`.
    CheckedOut,
    /// Its raw connection is kept for the next borrower. Exits:
    /// - `CheckedOut`: the next checkout, or the maintenance thread looks at it.
    /// - `Closing`: `dispose`, the end of the pool, an idle time-out.
    Idle,
    /// Its raw connection is being closed, under no lock. Exits:
    /// - `Connecting`: closed, and replaced within the same checkout, or the longest waiter takes the permit over.
    /// - `Free`: closed, and nobody waits.
    Closing,
    /// A helper thread waits for a server that its caller has given up on. Exits:
    /// - `Connecting`: a connect has ended after all.
    /// - `CheckedOut`: a ping has ended after all.
    LeftBehind,
}

impl RecordState {
    /// The table of the variants' docs.
    fn leads_to(self, next: Self) -> bool {
        use RecordState::{CheckedOut, Closing, Connecting, Free, Idle, LeftBehind};
        match self {
            Free => next == Connecting,
            Connecting => matches!(next, CheckedOut | Connecting | LeftBehind | Free),
            CheckedOut => matches!(next, Idle | CheckedOut | LeftBehind | Closing | Connecting | Free),
            Idle => matches!(next, CheckedOut | Closing),
            Closing => matches!(next, Connecting | Free),
            LeftBehind => matches!(next, Connecting | CheckedOut),
        }
    }

    fn of(number: u8) -> Self {
        use RecordState::{CheckedOut, Closing, Connecting, Free, Idle, LeftBehind};
        [Free, Connecting, CheckedOut, Idle, Closing, LeftBehind][usize::from(number)]
    }
}

/// Who asked for a connection.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) place: Place,
    pub(super) since: Ticks,
    pub(super) thread: u64,
}

/// One of a pool's places for a connection, with its present holder.
///
/// Its owner writes to it without a lock, on a cache line that nobody else writes to; others read it for their reports,
/// which may be a moment old.
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) index: usize,
    /// The number of the era that it belongs to.
    pub(super) era: u64,
    state: AtomicU8,
    /// As the layer above says.
    pub(super) in_transaction: AtomicBool,
    /// Whether its holder was reported as a leak.
    reported: AtomicBool,
    /// The number of its raw connection, 0 while there is none.
    connection: AtomicU64,
    place: AtomicU64,
    since: AtomicU64,
    thread: AtomicU64,
    /// Written only when another thread than the last one takes the slot.
    name: Mutex<Thread>,
    /// The user's values that outlive a raw connection, while there is none.
    record_info: Mutex<Extensions>,
}

impl Slot {
    pub(super) fn new(index: usize, era: u64) -> Self {
        Self {
            index,
            era,
            state: AtomicU8::new(RecordState::Free as u8),
            in_transaction: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            connection: AtomicU64::new(0),
            place: AtomicU64::new(u64::from(Place::NOWHERE.number())),
            since: AtomicU64::new(0),
            thread: AtomicU64::new(0),
            name: Mutex::new(thread::current()),
            record_info: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> RecordState {
        RecordState::of(self.state.load(Ordering::Relaxed))
    }

    /// The one place that assigns a state.
    #[inline]
    pub(super) fn enter(&self, next: RecordState) {
        debug_assert!(
            self.state().leads_to(next),
            "slot {} cannot go from {:?} to {next:?}",
            self.index,
            self.state()
        );
        self.state.store(next as u8, Ordering::Relaxed);
    }

    /// Notes who has it: the caller, on its own thread.
    #[inline]
    pub(super) fn hold(&self, who: &Who) {
        if self.thread.load(Ordering::Relaxed) == who.thread {
            self.note(who);
        } else {
            self.hold_for(who, thread::current());
        }
    }

    /// Notes who has it, on behalf of another thread.
    #[cold]
    pub(super) fn hold_for(&self, who: &Who, thread: Thread) {
        *lock(&self.name) = thread;
        self.thread.store(who.thread, Ordering::Relaxed);
        self.note(who);
    }

    #[inline]
    fn note(&self, who: &Who) {
        self.place.store(u64::from(who.place.number()), Ordering::Relaxed);
        self.since.store(who.since.0, Ordering::Relaxed);
        self.reported.store(false, Ordering::Relaxed);
    }

    /// The number of the thread that has it, or had it last.
    pub(super) fn thread(&self) -> u64 {
        self.thread.load(Ordering::Relaxed)
    }

    pub(super) fn connection(&self) -> u64 {
        self.connection.load(Ordering::Relaxed)
    }

    pub(super) fn set_connection(&self, number: u64) {
        self.connection.store(number, Ordering::Relaxed);
    }

    /// Whether somebody holds it.
    pub(super) fn is_out(&self) -> bool {
        !matches!(self.state(), RecordState::Free | RecordState::Idle)
    }

    /// Who has it, if somebody does.
    pub(super) fn holder(&self, clock: &Clock) -> Option<Holder> {
        let state = self.state();
        if matches!(state, RecordState::Free | RecordState::Idle | RecordState::Closing) {
            return None;
        }
        let place = u32::try_from(self.place.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let thread = lock(&self.name).clone();
        let thread = thread
            .name()
            .map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
        Some(Holder {
            connection: Some(self.connection()).filter(|number| *number > 0),
            place: Place::location(place),
            age: clock.ticks_now().since(Ticks(self.since.load(Ordering::Relaxed))),
            thread,
            in_transaction: self.in_transaction.load(Ordering::Relaxed),
            left_behind: state == RecordState::LeftBehind,
        })
    }

    /// Whether it is to be reported as a leak now: once a checkout.
    pub(super) fn leaks(&self, since: Ticks) -> bool {
        self.state() == RecordState::CheckedOut
            && self.since.load(Ordering::Relaxed) <= since.0
            && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// The user's values that outlive a raw connection.
    pub(super) fn keep_info(&self, info: Extensions) {
        *lock(&self.record_info) = info;
    }

    pub(super) fn take_info(&self) -> Extensions {
        std::mem::take(&mut *lock(&self.record_info))
    }
}

/// A raw connection with what the pool knows of it. It moves between the idle ones and its borrower as one pointer.
pub(super) struct Record<C: Send + 'static> {
    pub(super) raw: Raw<C>,
    pub(super) permit: Permit<C>,
    pub(super) id: u64,
    /// That of the pool when connecting began.
    pub(super) generation: u64,
    pub(super) connected_at: Ticks,
    /// When it is too old, if there is a limit.
    pub(super) expires_at: Option<Ticks>,
    /// Noted at return, if somebody is going to ask.
    pub(super) idle_since: Option<Ticks>,
    /// When it last gave a sign of life while idle.
    pub(super) tested_at: Option<Ticks>,
    /// Its holder wants it closed on return.
    pub(super) soft_invalidated: bool,
    /// The server may hold an open transaction.
    pub(super) dirty: bool,
    /// A call to the driver is in progress.
    pub(super) busy: bool,
    pub(super) info: Extensions,
    pub(super) slot_info: Extensions,
}

/// The right to one slot; dropped, it goes to the longest waiter or back to the pool.
pub(super) struct Permit<C: Send + 'static> {
    pub(super) shared: Arc<Shared<C>>,
    pub(super) slot: Arc<Slot>,
    armed: bool,
}

impl<C: Send + 'static> Permit<C> {
    pub(super) fn new(shared: Arc<Shared<C>>, slot: Arc<Slot>) -> Self {
        Self {
            shared,
            slot,
            armed: true,
        }
    }

    /// Whether it was given out by another process, or before [`abandon`](super::Pool::abandon): then nobody waits for
    /// its return, and whatever hangs on it is not ours to touch.
    #[inline]
    pub(super) fn is_foreign(&self) -> bool {
        self.slot.era != self.shared.era().number
    }

    /// Whether there is a slot behind it still.
    pub(super) fn is_armed(&self) -> bool {
        self.armed
    }

    /// Gives the slot back, now.
    pub(super) fn release(&mut self) {
        let era = self.shared.era();
        if std::mem::take(&mut self.armed) && era.number == self.slot.era {
            era.release(&self.slot, &self.shared);
            // What is written to the slot from now on is not to reach its next owner.
            self.slot = Arc::new(Slot::new(usize::MAX, self.slot.era));
        }
    }
}

impl<C: Send + 'static> Drop for Permit<C> {
    fn drop(&mut self) {
        let era = self.shared.era();
        if self.armed && era.number == self.slot.era {
            era.release(&self.slot, &self.shared);
        }
    }
}
