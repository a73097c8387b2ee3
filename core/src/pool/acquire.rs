//! From a request to a connection that is fit to be handed out.

use std::time::{Duration, Instant};

use super::Holder;
use super::adopted::Exhausted;
use super::bounded::{Bounded, bounded};
use super::connector::{BoxError, CheckoutInfo, PingVerdict, Refuse};
use super::error::PoolError;
use super::held::{Held, Made, What, close_all, dial};
use super::kind::Rule;
use super::options::{DEFAULT_POOL_TIMEOUT, Limit, PrePing};
use super::record::{Permit, Record, RecordState, Who};
use super::shared::{Shared, Taken};
use super::waiter::{Grant, Waiter, Woken};
use crate::cancel::CancelToken;
use crate::clock::{Clock, Ticks};
use crate::event::{Event, RecycleCause, Step};
use crate::sync::{Arc, catch_unwind, lock, resume_unwind};

/// What a call on a helper thread has come to: a panic, an error, or what was asked for.
type Called<T> = std::thread::Result<Result<T, BoxError>>;

/// How often a checkout hook may ask for another connection; SQLAlchemy's number.
const REPLACEMENTS: u32 = 2;

/// One checkout on its way.
pub(super) struct Acquire<'a, C: Send + 'static> {
    shared: &'a Arc<Shared<C>>,
    place: &'static std::panic::Location<'static>,
    timeout: Duration,
    deadline: Deadline,
    cancelled: Option<&'a CancelToken>,
    waited: Duration,
    fresh: bool,
}

/// When a checkout gives up.
enum Deadline {
    /// Nothing has taken time yet: the way without waiting reads no clock.
    Unread,
    Never,
    At(Instant),
}

impl Deadline {
    fn of(start: Instant, timeout: Duration) -> Self {
        start.checked_add(timeout).map_or(Self::Never, Self::At)
    }
}

impl<'a, C: Send + 'static> Acquire<'a, C> {
    pub(super) fn new(
        shared: &'a Arc<Shared<C>>,
        place: &'static std::panic::Location<'static>,
        timeout: Duration,
    ) -> Self {
        Self {
            shared,
            place,
            timeout,
            deadline: Deadline::Unread,
            cancelled: None,
            waited: Duration::ZERO,
            fresh: false,
        }
    }

    /// Waits no longer than until the token is cancelled.
    pub(super) fn unless(mut self, cancelled: Option<&'a CancelToken>) -> Self {
        self.cancelled = cancelled;
        self
    }

    /// Makes what was found fit to be handed out, or finds something.
    pub(super) fn run(mut self, found: Option<Box<Record<C>>>, who: Who) -> Result<Box<Record<C>>, PoolError> {
        let mut taken = found.map_or_else(|| self.shared.era().take(&who, self.shared), Taken::Record);
        loop {
            if let Some(record) = self.with(taken)? {
                return Ok(record);
            }
            // Its era has ended meanwhile.
            taken = self.shared.era().take(&who, self.shared);
        }
    }

    fn with(&mut self, taken: Taken<C>) -> Result<Option<Box<Record<C>>>, PoolError> {
        let mut held = match taken {
            Taken::Record(record) => Held::of_record(record),
            other => self.take_slowly(other)?,
        };
        self.freshen(&mut held)?;
        if self.shared.hooked {
            self.ask_hook(&mut held)?;
        }
        if held.record().is_none() {
            return Ok(None);
        }
        if !self.shared.listeners.is_empty() {
            self.shared.emit(&Event::Checkout {
                connection: held.id(),
                waited: self.waited,
            });
        }
        Ok(match held.take() {
            What::Record(record) => Some(record),
            What::Permit(_) | What::Nothing => None,
        })
    }

    #[cold]
    fn take_slowly(&mut self, taken: Taken<C>) -> Result<Held<C>, PoolError> {
        match taken {
            Taken::Record(record) => Ok(Held::of_record(record)),
            Taken::Permit(permit) => {
                close_all(self.shared.era().orphans());
                Ok(Held::of_permit(permit))
            }
            Taken::Wait(waiter) => self.wait(waiter),
            Taken::Refused(holder) => Err(PoolError::AlreadyCheckedOut {
                kind: self.shared.name,
                same_thread: self.shared.rule == Rule::OnePerThread,
                holder,
            }),
        }
    }

    /// How long connecting and testing may take. Zero is for those who will not wait for other borrowers; to connect takes
    /// time all the same.
    fn patience(&self) -> Duration {
        match (self.timeout, self.shared.options.pool_timeout) {
            (Duration::ZERO, Duration::ZERO) => DEFAULT_POOL_TIMEOUT,
            (Duration::ZERO, some) | (some, _) => some,
        }
    }

    /// The moment at which the caller gives up; none if it never does.
    fn deadline(&mut self) -> Option<Instant> {
        let (clock, timeout) = (&self.shared.clock, self.patience());
        if matches!(self.deadline, Deadline::Unread) {
            self.deadline = Deadline::of(clock.now(), timeout);
        }
        match self.deadline {
            Deadline::At(moment) => Some(moment),
            Deadline::Unread | Deadline::Never => None,
        }
    }

    fn wait(&mut self, waiter: Arc<Waiter<C>>) -> Result<Held<C>, PoolError> {
        let started = waiter.since;
        self.deadline = Deadline::of(started, self.timeout);
        let deadline = self.deadline();
        let clock = &self.shared.clock;
        let waiting = Arc::downgrade(&waiter);
        let _told = self.cancelled.map(|token| {
            token.on_cancel(move || {
                if let Some(waiter) = waiting.upgrade() {
                    waiter.stop();
                }
            })
        });
        let grant = Waiting {
            shared: self.shared,
            waiter: Some(waiter),
        }
        .wait(clock, deadline);
        self.waited = clock.now().saturating_duration_since(started);
        if self.timeout.is_zero() {
            // That was for the wait.
            self.deadline = Deadline::Unread;
        }
        match grant {
            Ok(Some(Grant::Record(record))) => Ok(Held::of_record(record)),
            Ok(Some(Grant::Permit(permit))) => Ok(Held::of_permit(permit)),
            Ok(None) => Ok(Held::of_nothing()),
            Err(holders) => {
                if let Some(Err(exit)) = self.cancelled.map(CancelToken::check) {
                    return Err(PoolError::Cancelled(exit));
                }
                let number = |limit| match limit {
                    Limit::AtMost(connections) => connections,
                    Limit::Unlimited => 0,
                };
                let (options, limit) = (&self.shared.options, self.shared.limit);
                let size = number(options.pool_size).min(limit);
                let overflow = number(options.max_overflow).min(limit.saturating_sub(1));
                Err(self.timed_out(size, overflow, holders))
            }
        }
    }

    /// Connects where there is nothing, and replaces what is retired, too old or dead. What a foreign pool lends may be as
    /// old as anything, so each loan is looked at until one is fit or new, or comes again although it was given up.
    fn freshen(&mut self, held: &mut Held<C>) -> Result<(), PoolError> {
        let shared = self.shared;
        if held.record().is_none() {
            self.connect(held)?;
        }
        let mut given_up = Vec::new();
        while !self.fresh
            && let Some(record) = held.record()
        {
            let id = record.id;
            let retired = record.generation < shared.era().generation();
            if !retired && !shared.note_checkout && shared.options.pre_ping == PrePing::Never {
                return Ok(());
            }
            self.examine(held, retired)?;
            given_up.push(id);
            if given_up.contains(&held.id()) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn examine(&mut self, held: &mut Held<C>, retired: bool) -> Result<(), PoolError> {
        let shared = self.shared;
        let Some(record) = held.record() else { return Ok(()) };
        let options = &shared.options;
        let now = if shared.note_checkout {
            shared.clock.ticks()
        } else {
            Ticks::default()
        };
        let cause = if retired {
            Some(RecycleCause::Retired)
        } else if options
            .pool_recycle
            .is_some_and(|limit| now.since(record.connected_at) > limit)
        {
            Some(RecycleCause::Age)
        } else if record.expires_at.is_some_and(|expiry| now >= expiry) {
            Some(RecycleCause::Lifetime)
        } else {
            None
        };
        if let Some(cause) = cause
            && !shared.precious
        {
            held.recycle(cause);
            return self.connect(held);
        }
        let ping = match options.pre_ping {
            PrePing::Never => false,
            PrePing::Always => true,
            PrePing::IdleFor(limit) => record.idle_since.is_none_or(|idle| now.since(idle) >= limit),
        };
        if ping { self.ping(held) } else { Ok(()) }
    }

    fn ping(&mut self, held: &mut Held<C>) -> Result<(), PoolError> {
        match self.test(held, "pre-ping")? {
            None => Ok(()),
            Some((PingVerdict::Raise, error)) => Err(PoolError::Ping(error)),
            Some(_) => self.connect(held),
        }
    }

    /// Pings, tells of it, and closes what does not answer; then says what that means, and why.
    pub(super) fn test(
        &mut self,
        held: &mut Held<C>,
        what: &str,
    ) -> Result<Option<(PingVerdict, BoxError)>, PoolError> {
        let (connection, generation) = match held.record() {
            Some(record) => (record.id, record.generation),
            None => return Ok(None),
        };
        let answer = self.ask(held)?;
        self.shared.emit(&Event::Ping {
            connection,
            alive: answer.is_ok(),
        });
        let Err(error) = answer else { return Ok(None) };
        let reason = format!("{what} failed: {error}");
        let verdict = self.shared.connector.judge_ping(&error);
        if verdict == PingVerdict::Retire {
            // First, since closing a dead connection may take a while and the others need not find out for themselves.
            retire(self.shared, generation, &reason);
        }
        held.invalidate(&reason, false);
        Ok(Some((verdict, error)))
    }

    /// Pings, for as long as the caller has time.
    fn ask(&mut self, held: &mut Held<C>) -> Result<Result<(), BoxError>, PoolError> {
        let deadline = self.deadline();
        let shared = self.shared;
        if deadline.is_none() || !shared.may_block {
            let Some(record) = held.record() else { return Ok(Ok(())) };
            return Ok(shared.connector.ping(&mut record.raw));
        }
        let What::Record(record) = held.take() else {
            return Ok(Ok(()));
        };
        let (slot, connection) = (Arc::clone(&record.permit.slot), record.id);
        let job = move || {
            let mut record = record;
            let shared = Arc::clone(&record.permit.shared);
            let answer = catch_unwind(|| shared.connector.ping(&mut record.raw));
            (record, answer)
        };
        let answer = bounded(Bounded {
            clock: &shared.clock,
            deadline,
            job,
            left: || slot.enter(RecordState::LeftBehind),
            late: |(record, answer): (Box<Record<C>>, _)| late_ping(record, matches!(answer as Called<()>, Ok(Ok(())))),
        });
        match answer {
            Some((record, Ok(answer))) => {
                *held = Held::of_record(record);
                Ok(answer)
            }
            Some((record, Err(panic))) => {
                *held = Held::of_record(record);
                resume_unwind(panic)
            }
            None => Err(self.left_behind(Step::Ping, connection)),
        }
    }

    /// Makes a connection, in the place of the one that there was.
    pub(super) fn connect(&mut self, held: &mut Held<C>) -> Result<(), PoolError> {
        let Some(permit) = held.begin_to_connect() else {
            return Ok(());
        };
        if let Some(reason) = lost(self.shared, &permit) {
            return Err(PoolError::InMemoryDatabaseLost { reason });
        }
        let (permit, made) = self.make(permit)?;
        self.fresh = held.connected(permit, made);
        Ok(())
    }

    /// Makes a connection, for as long as the caller has time.
    fn make(&mut self, permit: Permit<C>) -> Result<(Permit<C>, Made<C>), PoolError> {
        let deadline = self.deadline();
        let shared = self.shared;
        let within = deadline.map(|deadline| deadline.saturating_duration_since(shared.clock.now()));
        let made = if within.is_none() || !shared.may_block {
            Some((permit, Ok(dial(shared, within))))
        } else {
            let slot = Arc::clone(&permit.slot);
            let job = move || {
                let shared = Arc::clone(&permit.shared);
                let made = catch_unwind(|| dial(&shared, within));
                (permit, made)
            };
            bounded(Bounded {
                clock: &shared.clock,
                deadline,
                job,
                left: || slot.enter(RecordState::LeftBehind),
                late: |(permit, made): (Permit<C>, Called<Made<C>>)| {
                    late_connect(permit, made.ok().and_then(Result::ok));
                },
            })
        };
        match made {
            Some((permit, Ok(Ok(made)))) => Ok((permit, made)),
            Some((permit, Ok(Err(error)))) => {
                drop(permit);
                Err(self.not_connected(error))
            }
            Some((permit, Err(panic))) => {
                drop(permit);
                resume_unwind(panic)
            }
            None => Err(self.left_behind(Step::Connect, 0)),
        }
    }

    fn not_connected(&mut self, error: BoxError) -> PoolError {
        match error.downcast::<Exhausted>() {
            Ok(exhausted) => {
                self.waited = self.waited.max(exhausted.waited);
                let holders = self.shared.holders();
                self.timed_out(exhausted.size, 0, holders)
            }
            Err(error) => {
                self.shared.emit(&Event::ConnectFailed { error: &*error });
                PoolError::Connect(error)
            }
        }
    }

    fn timed_out(&self, size: usize, overflow: usize, holders: Vec<Holder>) -> PoolError {
        self.shared.emit(&Event::PoolTimeout { waited: self.waited });
        PoolError::Timeout {
            kind: self.shared.name,
            size,
            overflow,
            timeout: self.timeout,
            waited: self.waited,
            holders,
        }
    }

    fn left_behind(&self, step: Step, connection: u64) -> PoolError {
        self.shared.emit(&Event::LeftBehind { step, connection });
        PoolError::Unresponsive {
            step,
            timeout: self.patience(),
        }
    }

    fn ask_hook(&mut self, held: &mut Held<C>) -> Result<(), PoolError> {
        for replaced in 0..=REPLACEMENTS {
            let Some(record) = held.record() else { break };
            let told = self.info(record);
            match self.shared.connector.on_checkout(&mut record.raw, &told) {
                Ok(()) => return Ok(()),
                Err(refusal) => self.refused(held, refusal, replaced)?,
            }
        }
        if held.permit().is_none() {
            // Of an era that has ended meanwhile.
            return Ok(());
        }
        Err(PoolError::RefusedAgain { replaced: REPLACEMENTS })
    }

    #[cold]
    fn refused(&mut self, held: &mut Held<C>, refusal: Refuse, replaced: u32) -> Result<(), PoolError> {
        match refusal {
            Refuse::Error(error) => {
                held.invalidate(&format!("refused at checkout: {error}"), true);
                return Err(PoolError::Refused(error));
            }
            Refuse::Reconnect => held.invalidate("refused at checkout", true),
            Refuse::ReconnectAll => {
                let generation = held.record().map_or(0, |record| record.generation);
                retire(self.shared, generation, "refused at checkout");
                held.invalidate("refused at checkout", true);
            }
        }
        if replaced < REPLACEMENTS {
            self.connect(held)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn info(&self, record: &Record<C>) -> CheckoutInfo {
        CheckoutInfo {
            connection: record.id,
            generation: record.generation,
            connected_at: self.shared.clock.at(record.connected_at),
            fresh: self.fresh,
            waited: self.waited,
            place: self.place,
        }
    }
}

/// Why the database in memory that this caller had is gone, if it has not been told yet.
fn lost<C: Send + 'static>(shared: &Shared<C>, permit: &Permit<C>) -> Option<String> {
    if !shared.precious {
        return None;
    }
    let mut lost = lock(&shared.era().lost);
    let mine = |thread: u64| shared.rule != Rule::OnePerThread || thread == permit.slot.thread();
    let found = lost.iter().position(|(thread, _)| mine(*thread))?;
    Some(lost.remove(found).1)
}

/// Starts a new generation if this one has not been retired yet.
pub(super) fn retire<C: Send + 'static>(shared: &Shared<C>, older: u64, reason: &str) -> bool {
    let Some(generation) = shared.era().retire(older) else {
        return false;
    };
    shared.emit(&Event::Retire { generation, reason });
    true
}

/// On the helper thread: a connect has ended that nobody waits for any more.
fn late_connect<C: Send + 'static>(permit: Permit<C>, made: Option<Made<C>>) {
    let shared = Arc::clone(&permit.shared);
    permit.slot.enter(RecordState::Connecting);
    let mut held = Held::of_nothing();
    let alive = made.is_some();
    if let Some(made) = made {
        held.connected(permit, made);
    }
    shared.emit(&Event::CaughtUp {
        step: Step::Connect,
        connection: held.id(),
        alive,
    });
    held.give_back();
}

/// On the helper thread: a ping has ended that nobody waits for any more.
fn late_ping<C: Send + 'static>(record: Box<Record<C>>, alive: bool) {
    let shared = Arc::clone(&record.permit.shared);
    record.permit.slot.enter(RecordState::CheckedOut);
    shared.emit(&Event::CaughtUp {
        step: Step::Ping,
        connection: record.id,
        alive,
    });
    let mut held = Held::of_record(record);
    if alive {
        held.give_back();
    } else {
        held.invalidate("the server did not answer a ping in time", false);
    }
}

/// A place in the queue; dropped, it is given up, and what was granted meanwhile goes on to the next.
pub(super) struct Waiting<'a, C: Send + 'static> {
    pub(super) shared: &'a Arc<Shared<C>>,
    /// `None` once it has been granted something or has left.
    pub(super) waiter: Option<Arc<Waiter<C>>>,
}

impl<C: Send + 'static> Waiting<'_, C> {
    /// What was granted, or who holds the connections; nothing if the queue is one of an era that has ended.
    fn wait(mut self, clock: &Clock, deadline: Option<Instant>) -> Result<Option<Grant<C>>, Vec<Holder>> {
        while let Some(waiter) = &self.waiter {
            let granted = match waiter.wait(clock, deadline) {
                Woken::Granted(grant) => Some(grant),
                Woken::Look if waiter.era != self.shared.era().number => {
                    let grant = waiter.take();
                    self.waiter = None;
                    return Ok(grant);
                }
                Woken::Look => self.shared.era().look_again(waiter),
                Woken::Stopped | Woken::TimedOut => break,
            };
            if let Some(grant) = granted {
                self.waiter = None;
                return Ok(Some(grant));
            }
        }
        // A grant may have come just now: then it is used.
        self.leave().map(Some).ok_or_else(|| self.shared.holders())
    }

    /// Leaves the queue; answers the grant that came first, if one did.
    fn leave(&mut self) -> Option<Grant<C>> {
        let waiter = self.waiter.take()?;
        match self.shared.era().leave(&waiter) {
            Err(grant) => Some(grant),
            Ok(next) => {
                if let Some(next) = next {
                    next.wake();
                }
                None
            }
        }
    }
}

impl<C: Send + 'static> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        if let Some(Grant::Record(record)) = self.leave() {
            Held::of_record(record).give_back();
        }
    }
}
