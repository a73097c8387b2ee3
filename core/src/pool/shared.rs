//! What all handles and checkouts of a pool share, and the three ways over it: take, put, release.
//!
//! Idle connections are in *shards*, each under a lock of its own, so that threads which return what they took meet no
//! other thread. The *ledger* (slots, those who wait, counters) is locked only to open, close and wait.
//!
//! **Invariant.** Lock order: ledger, shard, waiter. Under none of them is there I/O, a listener, a hook, or the drop of a
//! raw connection.
//!
//! **Invariant.** Nobody waits for what is there: who begins to wait counts itself in `waiting` and then looks through
//! every shard; who returns a connection looks at `waiting` under the shard's lock. Whichever of the two locks the shard
//! first, the other one sees it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::adopted::number_of_its_own;
use super::connector::Connector;
use super::held::{Held, each, shielded};
use super::kind::{Asker, Idle, Kind, Line, Rule};
use super::ledger::Ledger;
use super::options::{PoolOptions, PrePing};
use super::record::{Permit, Record, RecordState, Slot, Who};
use super::strays::Strays;
use super::waiter::{Grant, Waiter};
use super::{Generation, Holder};
use crate::clock::Clock;
use crate::event::{Event, Listeners};
use crate::process;
use crate::sync::{Arc, AtomicU64, AtomicUsize, EXPLORED, Mutex, OnceLock, lock};

/// How long somebody may wait before what comes back is handed to them, and nobody can be faster any more.
///
/// Handing over costs a switch of threads, during which the connection is idle: with none at all to overtake, sixty
/// threads that need a connection for a microsecond each would take turns at the pace of the scheduler. Longer than this,
/// and the order in which they came would no longer be the order in which they are served.
pub(super) const PATIENCE: Duration = Duration::from_micros(500);

/// Locks for idle connections. More of them than cores make it unlikely that two running threads share one; too many,
/// and a caller that finds nothing has to look through all of them. (Explorers have few threads, and can do with two.)
const SHARDS: usize = if EXPLORED { 2 } else { 8 };

/// The last generation of every pool: from then on whatever comes back is closed.
pub(super) const OVER: Generation = Generation::MAX;

#[expect(clippy::struct_excessive_bools, reason = "what the options come to, worked out once")]
pub(super) struct Shared<C: Send + 'static> {
    pub(super) connector: Arc<dyn Connector<C>>,
    pub(super) options: PoolOptions,
    pub(super) clock: Clock,
    pub(super) listeners: Listeners,
    /// An empty kind, to make more of.
    pattern: Mutex<Pattern<C>>,
    pub(super) name: &'static str,
    pub(super) limit: usize,
    pub(super) keep: usize,
    pub(super) rule: Rule,
    shards: usize,
    /// Whether a return, and a checkout, have to note the time.
    pub(super) note_idle: bool,
    pub(super) note_checkout: bool,
    /// Whether a hook wants to see each connection that is handed out.
    pub(super) hooked: bool,
    /// Whether an idle connection of the present generation is handed out as it is: nobody tests it or looks at it.
    pub(super) plain: bool,
    /// Whether a connection takes its database with it.
    pub(super) precious: bool,
    /// Whether connecting and pinging may wait for somebody else.
    pub(super) may_block: bool,
    /// Whether an option asks for the maintenance thread.
    pub(super) kept_up: bool,
    /// By which it knows loans again.
    pub(super) number: u64,
    /// What a kind of the user's has dropped.
    pub(super) strays: Strays<C>,
    first: Era<C>,
}

/// An empty kind, from which the shards are made.
pub(super) enum Pattern<C: Send + 'static> {
    Line(PoolOptions),
    Other(Box<dyn Kind<C>>),
}

/// The life of a pool in one process, up to [`abandon`](super::Pool::abandon). A forked child begins another, and never
/// touches what is in the older ones: their locks may be held by threads that it does not have, and their connections
/// are the parent's.
pub(super) struct Era<C: Send + 'static> {
    pub(super) number: u64,
    /// How many forks lay behind the process that it belongs to.
    forks: AtomicU64,
    pub(super) generation: AtomicU64,
    /// How many callers wait. Written under the ledger's lock.
    waiting: AtomicUsize,
    /// How many slots are in use. Written under the ledger's lock.
    used: AtomicUsize,
    pub(super) ledger: Mutex<Ledger<C>>,
    shards: Box<[Arc<Shard<C>>]>,
    /// Why databases in memory were lost, by the thread that had them.
    pub(super) lost: Mutex<Vec<(u64, String)>>,
    next: OnceLock<Box<Era<C>>>,
}

/// A part of the idle connections, on a cache line of its own.
#[repr(align(128))]
struct Shard<C: Send + 'static>(Mutex<Shelf<C>>);

/// Known by name, so that the common kind costs no virtual call.
enum Shelf<C: Send + 'static> {
    Line(Line<C>),
    Other(Box<dyn Kind<C>>),
}

impl<C: Send + 'static> Shelf<C> {
    #[inline]
    fn take(&mut self, asker: Asker) -> Option<Idle<C>> {
        match self {
            Self::Line(line) => line.take(&asker),
            Self::Other(kind) => kind.take(&asker),
        }
    }

    #[inline]
    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        match self {
            Self::Line(line) => line.put(idle),
            Self::Other(kind) => kind.put(idle),
        }
    }

    fn kind(&mut self) -> &mut dyn Kind<C> {
        match self {
            Self::Line(line) => line,
            Self::Other(kind) => &mut **kind,
        }
    }
}

/// What a checkout finds.
pub(super) enum Taken<C: Send + 'static> {
    Record(Box<Record<C>>),
    Permit(Permit<C>),
    Wait(Arc<Waiter<C>>),
    /// The kind does not allow it.
    Refused(Holder),
}

/// What becomes of a connection that came back.
pub(super) enum Put<C: Send + 'static> {
    /// It is idle; this one is to be woken.
    Kept(Option<Arc<Waiter<C>>>),
    Handed(Arc<Waiter<C>>),
    /// Retired, or one too many.
    Close(Box<Record<C>>),
}

impl<C: Send + 'static> Shared<C> {
    pub(super) fn new(
        connector: Arc<dyn Connector<C>>,
        pattern: Pattern<C>,
        options: PoolOptions,
        clock: Clock,
        listeners: Listeners,
    ) -> Self {
        let kind = pattern.shelf();
        let kind: &dyn Kind<C> = match &kind {
            Shelf::Line(line) => line,
            Shelf::Other(kind) => &**kind,
        };
        let note_idle = matches!(options.pre_ping, PrePing::IdleFor(_))
            || options.idle_timeout.is_some()
            || options.keepalive.is_some();
        let note_checkout = note_idle || options.pool_recycle.is_some() || options.max_lifetime.is_some();
        let shards = if kind.divides() && kind.limit() > 1 { SHARDS } else { 1 };
        Self {
            name: kind.name(),
            limit: kind.limit(),
            keep: kind.keep(),
            rule: kind.rule(),
            shards,
            note_idle,
            note_checkout,
            hooked: connector.looks_at_checkouts(),
            plain: !note_checkout && options.pre_ping == PrePing::Never && !connector.looks_at_checkouts(),
            precious: connector.is_only_copy(),
            may_block: connector.may_block(),
            kept_up: options.min_idle > 0
                || options.idle_timeout.is_some()
                || options.max_lifetime.is_some()
                || options.keepalive.is_some()
                || options.leak_detection_threshold.is_some(),
            number: number_of_its_own(),
            strays: Strays::new(),
            first: Era::new(0, process::forks(), shards, &pattern),
            pattern: Mutex::new(pattern),
            connector,
            options,
            clock,
            listeners,
        }
    }

    /// The state of this pool in this process.
    #[inline]
    pub(super) fn era(&self) -> &Era<C> {
        if self.first.is_current() {
            &self.first
        } else {
            self.later_era()
        }
    }

    #[cold]
    fn later_era(&self) -> &Era<C> {
        let mut era = &self.first;
        while !era.is_current() {
            let (mut left, ended) = (None, era.has_ended());
            era = era.next.get_or_init(|| {
                Clock::after_a_fork(process::forks());
                left = Some(era.idle_without_waiting());
                let pattern = lock(&self.pattern);
                Box::new(Era::new(era.number + 1, process::forks(), self.shards, &pattern))
            });
            match left {
                Some(left) if ended => self.emit(&Event::Abandon { left }),
                Some(left) => self.emit(&Event::Forked { left }),
                None => {}
            }
        }
        era
    }

    /// Closes what a kind has dropped; under no lock.
    pub(super) fn close_strays(&self) {
        each(self.strays.take(), |record| {
            tracing::error!(
                target: "aludel.pool",
                connection = record.id,
                "the kind of pool {} has dropped a connection instead of keeping it or giving it back",
                self.name
            );
            Held::of_record(record).invalidate("its kind of pool has dropped it", false);
        });
    }

    /// A pattern for another pool of this kind.
    pub(super) fn pattern(&self) -> Pattern<C> {
        lock(&self.pattern).clone()
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        if !self.listeners.is_empty() {
            shielded(|| self.listeners.emit(event));
        }
    }
}

impl<C: Send + 'static> Pattern<C> {
    fn shelf(&self) -> Shelf<C> {
        match self {
            Self::Line(options) => Shelf::Line(Line::new(options)),
            Self::Other(kind) => Shelf::Other(kind.recreate()),
        }
    }
}

impl<C: Send + 'static> Clone for Pattern<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Line(options) => Self::Line(options.clone()),
            Self::Other(kind) => Self::Other(kind.recreate()),
        }
    }
}

impl<C: Send + 'static> Era<C> {
    fn new(number: u64, forks: u64, shards: usize, pattern: &Pattern<C>) -> Self {
        Self {
            number,
            forks: AtomicU64::new(forks),
            generation: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            ledger: Mutex::new(Ledger::new(number)),
            shards: (0..shards)
                .map(|_| Arc::new(Shard(Mutex::new(pattern.shelf()))))
                .collect(),
            lost: Mutex::default(),
            next: OnceLock::new(),
        }
    }

    #[inline]
    fn is_current(&self) -> bool {
        self.forks.load(Ordering::Relaxed) == process::forks()
    }

    /// Whether it was [ended](Self::end) by this process or its parent, and not by a fork.
    fn has_ended(&self) -> bool {
        self.forks.load(Ordering::Relaxed) == u64::MAX
    }

    /// Ends it: the next look begins another.
    pub(super) fn end(&self) {
        self.forks.store(u64::MAX, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn generation(&self) -> Generation {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether connections of this generation are no longer kept.
    #[inline]
    fn is_stale(&self, generation: Generation) -> bool {
        let present = self.generation();
        generation < present || present == OVER
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    #[inline]
    fn home(&self, thread: u64) -> &Arc<Shard<C>> {
        // Their number is a power of two; a division would cost as much as a lock.
        #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits are of interest")]
        &self.shards[thread as usize & (self.shards.len() - 1)]
    }

    /// Copies what is looked at without the ledger's lock; to be called under it, whenever that has changed.
    fn publish(&self, ledger: &Ledger<C>) {
        self.waiting.store(ledger.waiters.len(), Ordering::Relaxed);
        self.used.store(ledger.used(), Ordering::Relaxed);
    }

    // ---- take -------------------------------------------------------------------------------------------------

    /// An idle connection that is near at hand.
    #[inline]
    pub(super) fn take_at_hand(&self, who: &Who) -> Option<Box<Record<C>>> {
        self.home(who.thread).take(who)
    }

    /// An idle connection, or a permit, or the last place in the queue of those who wait.
    pub(super) fn take(&self, who: &Who, shared: &Arc<Shared<C>>) -> Taken<C> {
        match self.home(who.thread).take(who) {
            Some(record) => Taken::Record(record),
            None => self.take_elsewhere(who, shared),
        }
    }

    #[cold]
    fn take_elsewhere(&self, who: &Who, shared: &Arc<Shared<C>>) -> Taken<C> {
        if self.shards.len() > 1
            && let Some(record) = self.look(who)
        {
            return Taken::Record(record);
        }
        shared.close_strays();
        let mut ledger = lock(&self.ledger);
        if shared.rule == Rule::OnePerThread
            && let Some(holder) = ledger.of_thread(who.thread).and_then(|slot| slot.holder(&shared.clock))
        {
            return Taken::Refused(holder);
        }
        if ledger.used() < shared.limit {
            let slot = ledger.open();
            self.publish(&ledger);
            drop(ledger);
            slot.hold(who);
            return Taken::Permit(Permit::new(Arc::clone(shared), slot));
        }
        if shared.rule == Rule::Refuse
            && let Some(holder) = ledger.slots.iter().find_map(|slot| slot.holder(&shared.clock))
        {
            return Taken::Refused(holder);
        }
        // First count ourselves, then look once more: what comes back from now on sees us.
        self.waiting.store(ledger.waiters.len() + 1, Ordering::Relaxed);
        if let Some(record) = self.look(who) {
            self.publish(&ledger);
            return Taken::Record(record);
        }
        let waiter = Arc::new(Waiter::new(*who, self.number, shared.clock.now()));
        ledger.waiters.push_back(Arc::clone(&waiter));
        if !self.is_current() {
            // Whoever has ended it may have sent the others on already.
            waiter.tell();
        }
        Taken::Wait(waiter)
    }

    /// Whatever idle connection there is.
    fn look(&self, who: &Who) -> Option<Box<Record<C>>> {
        self.shards.iter().find_map(|shard| shard.take(who))
    }

    /// A waiter that was told so looks for what came back, and leaves the queue if it finds something.
    pub(super) fn look_again(&self, waiter: &Arc<Waiter<C>>) -> Option<Grant<C>> {
        let mut ledger = lock(&self.ledger);
        if let Some(grant) = waiter.take() {
            return Some(grant);
        }
        let record = self.look(&waiter.who)?;
        ledger.leave(waiter);
        self.publish(&ledger);
        Some(Grant::Record(record))
    }

    /// Leaves the queue; answers the grant that came first, if one did, and else who is to be woken in its place.
    pub(super) fn leave(&self, waiter: &Arc<Waiter<C>>) -> Result<Option<Arc<Waiter<C>>>, Grant<C>> {
        let mut ledger = lock(&self.ledger);
        if !ledger.leave(waiter) {
            return waiter.take().map_or(Ok(None), Err);
        }
        self.publish(&ledger);
        // It may have been told of a connection that it now does not take.
        let idle = self.shards.iter().any(|shard| shard.lock().kind().idle() > 0);
        Ok(if idle { ledger.tell_one() } else { None })
    }

    // ---- put --------------------------------------------------------------------------------------------------

    /// Keeps a connection that came back, if it is as simple as that.
    ///
    /// # Errors
    ///
    /// The connection, if somebody waits, if there may be too many, or if it is retired:
    /// [`put`](Self::put) knows what to do then.
    #[inline]
    pub(super) fn keep(record: Box<Record<C>>, thread: u64) -> Result<(), Box<Record<C>>> {
        let shared = &record.permit.shared;
        let era = shared.era();
        // Once the record is stored somebody else may take it, and with it all that keeps this shard alive. Its own
        // counter is on its own cache line: that of the whole pool would be fought for by all threads.
        let shard = Arc::clone(era.home(thread));
        let mut shelf = shard.lock();
        // Read under the lock: who begins to wait, opens one more or retires all, and has passed this shard before us,
        // did so before we look; who has not will find what we store.
        if era.waiting.load(Ordering::Relaxed) > 0
            || era.used.load(Ordering::Relaxed) > shared.keep
            || era.is_stale(record.generation)
            || era.number != record.permit.slot.era
        {
            return Err(record);
        }
        store(&mut shelf, record)
    }

    /// Takes a connection back: to the longest waiter, or to the idle ones, unless it is to be closed.
    #[cold]
    pub(super) fn put(&self, record: Box<Record<C>>, thread: u64, shared: &Shared<C>) -> Put<C> {
        let mut ledger = lock(&self.ledger);
        if self.is_stale(record.generation) && !(shared.precious && self.generation() != OVER) {
            return Put::Close(record);
        }
        // Above `keep` nothing is stored, not even for those who wait: they may give up, and then it would stay.
        let full = ledger.used() > shared.keep && self.idle() >= shared.keep;
        let patient = |front: &Waiter<C>| shared.clock.now().saturating_duration_since(front.since) >= PATIENCE;
        if ledger.waiters.front().is_some_and(|front| full || patient(front)) {
            let waiter = ledger.waiters.pop_front().expect("there is one in front");
            self.publish(&ledger);
            record.permit.slot.enter(RecordState::CheckedOut);
            Self::hand(&record.permit.slot.clone(), &waiter, Grant::Record(record), shared);
            return Put::Handed(waiter);
        }
        if full {
            return Put::Close(record);
        }
        match store(&mut self.home(thread).lock(), record) {
            Ok(()) => Put::Kept(ledger.tell_one()),
            Err(record) => Put::Close(record),
        }
    }

    fn hand(slot: &Slot, waiter: &Arc<Waiter<C>>, grant: Grant<C>, shared: &Shared<C>) {
        let who = Who {
            since: shared.clock.ticks_now(),
            ..waiter.who
        };
        slot.hold_for(&who, waiter.thread());
        waiter.hand(grant);
    }

    // ---- release ----------------------------------------------------------------------------------------------

    /// Ends the use of a slot whose raw connection was never made, is closed, or is detached. The permit goes to the
    /// longest waiter.
    pub(super) fn release(&self, slot: &Arc<Slot>, shared: &Arc<Shared<C>>) {
        let mut ledger = lock(&self.ledger);
        ledger.forget_connection(slot);
        slot.in_transaction.store(false, Ordering::Relaxed);
        let Some(waiter) = ledger.waiters.pop_front() else {
            ledger.free(slot);
            self.publish(&ledger);
            return;
        };
        self.publish(&ledger);
        slot.enter(RecordState::Connecting);
        let permit = Permit::new(Arc::clone(shared), Arc::clone(slot));
        Self::hand(slot, &waiter, Grant::Permit(permit), shared);
        drop(ledger);
        waiter.wake();
    }

    /// A permit for the maintenance thread, if there is room and nobody waits.
    pub(super) fn open_ahead(&self, who: &Who, shared: &Arc<Shared<C>>) -> Option<Permit<C>> {
        let mut ledger = lock(&self.ledger);
        if !ledger.waiters.is_empty() || ledger.used() >= shared.limit || self.generation() == OVER {
            return None;
        }
        let slot = ledger.open();
        self.publish(&ledger);
        drop(ledger);
        slot.hold(who);
        Some(Permit::new(Arc::clone(shared), slot))
    }

    // ---- all at once ------------------------------------------------------------------------------------------

    /// Starts a new generation, unless that has happened since `older`; answers its number if it did.
    pub(super) fn retire(&self, older: Generation) -> Option<Generation> {
        let _ledger = lock(&self.ledger);
        let generation = self.generation();
        if older < generation || generation == OVER {
            return None;
        }
        self.generation.store(generation + 1, Ordering::Release);
        Some(generation + 1)
    }

    /// Starts a generation and takes out every idle connection, to be closed.
    pub(super) fn clear(&self, generation: impl FnOnce(Generation) -> Generation) -> (Generation, Vec<Box<Record<C>>>) {
        let _ledger = lock(&self.ledger);
        let next = generation(self.generation());
        self.generation.store(next, Ordering::Release);
        (next, self.remove(&mut |_| true))
    }

    /// Takes out the idle connections that are to go. They are closing from then on.
    pub(super) fn remove(&self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Box<Record<C>>> {
        self.take_out(RecordState::Closing, |kind| kind.remove(unfit))
    }

    /// Takes idle connections out to look at them, as a borrower would.
    pub(super) fn borrow(&self, wanted: &mut dyn FnMut(&Idle<C>) -> bool, who: &Who) -> Vec<Box<Record<C>>> {
        let taken = self.take_out(RecordState::CheckedOut, |kind| kind.remove(wanted));
        for record in &taken {
            record.permit.slot.hold(who);
        }
        taken
    }

    /// Takes out what nobody will ever ask for again.
    pub(super) fn orphans(&self) -> Vec<Box<Record<C>>> {
        self.take_out(RecordState::Closing, Kind::orphans)
    }

    /// Takes connections out of each shard, where they enter their next state under its lock.
    fn take_out(
        &self,
        next: RecordState,
        mut take: impl FnMut(&mut dyn Kind<C>) -> Vec<Idle<C>>,
    ) -> Vec<Box<Record<C>>> {
        let mut out = Vec::new();
        for shard in &self.shards {
            let mut shelf = shard.lock();
            let taken = take(shelf.kind());
            for idle in &taken {
                idle.record().permit.slot.enter(next);
            }
            out.extend(taken.into_iter().map(Idle::into_record));
        }
        out
    }

    pub(super) fn idle(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().kind().idle()).sum()
    }

    /// As far as the locks are free: a forked child may not wait for them.
    fn idle_without_waiting(&self) -> usize {
        let idle = |shard: &Arc<Shard<C>>| shard.0.try_lock().map_or(0, |mut shelf| shelf.kind().idle());
        self.shards.iter().map(idle).sum()
    }

    /// Runs `look` with everything standing still.
    pub(super) fn frozen<T>(&self, look: impl FnOnce(&Ledger<C>, &[u64]) -> T) -> T {
        let ledger = lock(&self.ledger);
        let mut shelves: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let mut idle = Vec::new();
        for shelf in &mut shelves {
            shelf.kind().remove(&mut |one| {
                idle.push(one.id());
                false
            });
        }
        look(&ledger, &idle)
    }

    /// Leaves everything that is idle alone, for ever, and sends those who wait to the next era. A lock that is held may
    /// have been copied by a fork: what is behind it is out of reach anyway.
    pub(super) fn leave_alone(&self) {
        for shard in &self.shards {
            if let Ok(mut shelf) = shard.0.try_lock() {
                std::mem::forget(shelf.kind().remove(&mut |_| true));
            }
        }
        let waiting: Vec<_> = match self.ledger.try_lock() {
            Ok(ledger) => ledger.waiters.iter().cloned().collect(),
            Err(_) => Vec::new(),
        };
        for waiter in waiting {
            waiter.tell();
            waiter.wake();
        }
    }
}

impl<C: Send + 'static> Shard<C> {
    #[inline]
    fn lock(&self) -> crate::sync::MutexGuard<'_, Shelf<C>> {
        lock(&self.0)
    }

    #[inline]
    fn take(&self, who: &Who) -> Option<Box<Record<C>>> {
        let record = {
            let mut shelf = self.lock();
            let record = shelf.take(Asker { thread: who.thread })?.into_record();
            record.permit.slot.enter(RecordState::CheckedOut);
            record
        };
        record.permit.slot.hold(who);
        Some(record)
    }
}

#[inline]
fn store<C: Send + 'static>(shelf: &mut Shelf<C>, record: Box<Record<C>>) -> Result<(), Box<Record<C>>> {
    record.permit.slot.enter(RecordState::Idle);
    shelf.put(Idle::of(record)).map_err(|idle| {
        let record = idle.into_record();
        record.permit.slot.enter(RecordState::CheckedOut);
        record
    })
}
