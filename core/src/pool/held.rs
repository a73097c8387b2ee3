//! What is owned between a slot's leaving the pool and its return, so that no early exit and no panic loses it.

use std::time::Duration;

use super::acquire::retire;
use super::connector::{BoxError, Connecting};
use super::extensions::Extensions;
use super::options::ResetOnReturn;
use super::raw::Raw;
use super::record::{Permit, Record, RecordState};
use super::shared::{Era, Put, Shared};
use super::who::thread_number;
use crate::clock::Ticks;
use crate::event::{Event, RecycleCause};
use crate::sync::{Arc, catch_unwind, lock, panicking, resume_unwind};

/// A slot with or without its raw connection; dropped, the connection is closed and then the slot released.
pub(super) struct Held<C: Send + 'static>(What<C>);

pub(super) enum What<C: Send + 'static> {
    Record(Box<Record<C>>),
    Permit(Permit<C>),
    /// Lent to a helper thread, or given back.
    Nothing,
}

/// What was made, and when.
pub(super) struct Made<C> {
    raw: Raw<C>,
    generation: u64,
    connected_at: Ticks,
}

/// What an adopted pool keeps with a connection of its own, so that it is known again.
#[derive(Clone, Copy)]
struct Tag {
    pool: u64,
    id: u64,
    generation: u64,
    connected_at: Ticks,
}

impl<C: Send + 'static> Held<C> {
    pub(super) fn of_record(record: Box<Record<C>>) -> Self {
        Self(What::Record(record))
    }

    pub(super) fn of_permit(permit: Permit<C>) -> Self {
        Self(What::Permit(permit))
    }

    pub(super) fn of_nothing() -> Self {
        Self(What::Nothing)
    }

    #[inline]
    pub(super) fn record(&mut self) -> Option<&mut Record<C>> {
        match &mut self.0 {
            What::Record(record) => Some(record),
            What::Permit(_) | What::Nothing => None,
        }
    }

    pub(super) fn permit(&self) -> Option<&Permit<C>> {
        match &self.0 {
            What::Record(record) => Some(&record.permit),
            What::Permit(permit) => Some(permit),
            What::Nothing => None,
        }
    }

    fn shared(&self) -> Option<Arc<Shared<C>>> {
        self.permit().map(|permit| Arc::clone(&permit.shared))
    }

    /// The number of the connection, 0 without one.
    pub(super) fn id(&self) -> u64 {
        match &self.0 {
            What::Record(record) => record.id,
            What::Permit(_) | What::Nothing => 0,
        }
    }

    #[inline]
    pub(super) fn take(&mut self) -> What<C> {
        std::mem::replace(&mut self.0, What::Nothing)
    }

    /// Closes what there is and prepares for another raw connection; answers the permit for it.
    pub(super) fn begin_to_connect(&mut self) -> Option<Permit<C>> {
        self.close();
        let What::Permit(permit) = self.take() else { return None };
        let era = permit.shared.era();
        if era.number != permit.slot.era {
            return None;
        }
        lock(&era.ledger).connecting(&permit.slot);
        Some(permit)
    }

    /// Becomes the owner of what was made; answers whether it is new: a loan may be a connection that was here before. What
    /// was made for an era that is over is left alone.
    pub(super) fn connected(&mut self, permit: Permit<C>, made: Made<C>) -> bool {
        let shared = Arc::clone(&permit.shared);
        let era = shared.era();
        if era.number != permit.slot.era {
            std::mem::forget(made);
            return false;
        }
        let Made {
            mut raw,
            mut generation,
            mut connected_at,
        } = made;
        let (id, first) = {
            let mut ledger = lock(&era.ledger);
            let first = !std::mem::replace(&mut ledger.connected_before, true);
            (ledger.connected(&permit.slot), first)
        };
        let (id, known) = remember(&mut raw, &shared, id, &mut generation, &mut connected_at);
        permit.slot.set_connection(id);
        self.0 = What::Record(Box::new(Record {
            raw,
            id,
            generation,
            connected_at,
            expires_at: expiry(&shared, connected_at),
            idle_since: None,
            tested_at: None,
            soft_invalidated: false,
            dirty: false,
            busy: false,
            info: Extensions::default(),
            slot_info: permit.slot.take_info(),
            permit,
        }));
        if !known {
            if first {
                shared.emit(&Event::FirstConnect { connection: id });
            }
            shared.emit(&Event::Connect { connection: id });
        }
        !known
    }

    /// Closes the raw connection because its time has come.
    pub(super) fn recycle(&mut self, cause: RecycleCause) {
        if let Some(shared) = self.shared() {
            shared.emit(&Event::Recycle {
                connection: self.id(),
                cause,
            });
        }
        self.condemn();
        self.close();
    }

    /// Has the owner of a loan close it.
    fn condemn(&mut self) {
        if let Some(loan) = self.record().and_then(|record| record.raw.loan()) {
            loan.condemn();
        }
    }

    /// If a database dies with its connection, the next checkout says so.
    fn tell_loss(&self, reason: &str) {
        let Some(permit) = self.permit() else { return };
        if permit.shared.precious && permit.is_armed() && !permit.is_foreign() {
            lock(&permit.shared.era().lost).push((permit.slot.thread(), reason.to_owned()));
        }
    }

    /// Declares the raw connection unusable and closes it. If its database dies with it, the next checkout says so,
    /// unless that was what the caller wanted.
    pub(super) fn invalidate(&mut self, reason: &str, wanted: bool) {
        let Some(shared) = self.shared() else { return };
        if self.permit().is_some_and(Permit::is_foreign) {
            // The other process goes on with it.
            return self.close();
        }
        let connection = self.id();
        shared.emit(&Event::Invalidate { connection, reason });
        if shared.precious {
            if !wanted {
                self.tell_loss(reason);
            }
            shared.emit(&Event::InMemoryDatabaseLost { connection, reason });
        }
        self.condemn();
        self.close();
    }

    /// Closes the raw connection, outside all locks; the slot stays.
    pub(super) fn close(&mut self) {
        let record = match self.take() {
            What::Record(record) => record,
            other => return self.0 = other,
        };
        if record.permit.is_foreign() {
            // The other process speaks on that socket: not a byte of ours may get there.
            std::mem::forget(record);
            return;
        }
        let Record {
            raw,
            permit,
            id,
            slot_info,
            ..
        } = *record;
        if permit.is_armed() && permit.slot.state() != RecordState::Closing {
            permit.slot.enter(RecordState::Closing);
        }
        permit.slot.keep_info(slot_info);
        let (detached, lent) = (!permit.is_armed(), raw.is_lent());
        let shared = Arc::clone(&permit.shared);
        self.0 = What::Permit(permit);
        let panic = catch_unwind(|| drop(raw)).err();
        if detached {
            shared.emit(&Event::CloseDetached { connection: id });
        }
        if !lent {
            shared.emit(&Event::Close { connection: id });
        }
        go_on(panic);
    }

    /// Takes the raw connection out, for good.
    pub(super) fn take_raw(mut self) -> Option<Raw<C>> {
        match self.take() {
            What::Record(record) => Some(record.raw),
            What::Permit(_) | What::Nothing => None,
        }
    }

    /// Gives the connection back: to the longest waiter, to the idle ones, or to its end.
    pub(super) fn give_back(mut self) {
        if let What::Record(record) = self.take() {
            give_back(record);
        }
    }

    /// Whether the driver already knows that the connection is dead.
    #[inline]
    fn is_broken(&mut self) -> bool {
        let Some(record) = self.record() else { return false };
        shielded(|| record.permit.shared.connector.has_broken(&mut record.raw)).unwrap_or(true)
    }

    /// Makes a connection fit for the next borrower, or says why it cannot be.
    fn restore(&mut self) -> Result<(), String> {
        let Some(record) = self.record() else { return Ok(()) };
        let (precious, used) = (record.permit.shared.precious, record.dirty || record.busy);
        // A transaction that is still open makes a connection broken in Diesel's eyes. A database in memory gets its ROLLBACK
        // first.
        if precious && used {
            clean(record)?;
        }
        if self.is_broken() {
            self.learn_from_what_nobody_watched();
            return Err(BROKEN.to_owned());
        }
        match self.record() {
            Some(record) if used && !precious => clean(record),
            _ => Ok(()),
        }
    }

    /// Whoever watches a connection has told the pool by now what broke it. Of one that came back dirty the pool learns here
    /// whether all others of its age are lost with it.
    fn learn_from_what_nobody_watched(&mut self) {
        let Some(record) = self.record() else { return };
        let shared = &record.permit.shared;
        if !record.dirty || record.busy || panicking() {
            return;
        }
        if shared.connector.broke_with_all(&mut record.raw) {
            retire(shared, record.generation, "broken, and so is the server");
        }
    }

    /// Gives back what the maintenance thread had looked at, with the time at which it became idle unchanged. False if it
    /// was closed.
    pub(super) fn put_back_quietly(&mut self, now: Ticks) -> bool {
        let What::Record(mut record) = self.take() else {
            return false;
        };
        record.idle_since.get_or_insert(now);
        record.tested_at = Some(now);
        put_aloud(record, false)
    }
}

/// Gives a connection back: to the longest waiter, to the idle ones, or to its end.
#[inline]
pub(super) fn give_back<C: Send + 'static>(record: Box<Record<C>>) {
    let permit = &record.permit;
    let simple = !permit.is_foreign()
        && permit.is_armed()
        && !(record.dirty || record.busy || record.soft_invalidated)
        && permit.shared.listeners.is_empty();
    // Whatever panics from here on, its drop closes what it owns.
    let mut held = Held::of_record(record);
    if !simple || held.is_broken() {
        return give_back_with_care(held, simple);
    }
    let What::Record(mut record) = held.take() else { return };
    note_idle(&mut record);
    if let Err(record) = Era::keep(record, thread_number()) {
        put_aloud(record, true);
    }
}

#[inline]
fn note_idle<C: Send + 'static>(record: &mut Record<C>) {
    let shared = &record.permit.shared;
    if shared.note_idle {
        record.idle_since = Some(shared.clock.ticks());
    }
}

#[cold]
fn give_back_with_care<C: Send + 'static>(mut held: Held<C>, broken: bool) {
    if broken {
        return held.invalidate(BROKEN, false);
    }
    let Some(record) = held.record() else { return };
    if record.permit.is_foreign() || !record.permit.is_armed() {
        return held.close();
    }
    if let Err(reason) = held.restore() {
        return held.invalidate(&reason, false);
    }
    let What::Record(mut record) = held.take() else { return };
    if record.soft_invalidated && !record.permit.shared.precious {
        return Held::of_record(record).recycle(RecycleCause::SoftInvalidated);
    }
    note_idle(&mut record);
    put_aloud(record, true);
}

/// The way for those who wait, for one too many, and for those who listen. False if it was closed.
#[cold]
fn put_aloud<C: Send + 'static>(record: Box<Record<C>>, returned: bool) -> bool {
    let shared = Arc::clone(&record.permit.shared);
    let (era, id, thread) = (shared.era(), record.id, thread_number());
    if era.number != record.permit.slot.era {
        // Abandoned since it was looked at.
        Held::of_record(record).close();
        return false;
    }
    let put = match Era::keep(record, thread) {
        Ok(()) => Put::Kept(None),
        Err(record) => era.put(record, thread, &shared),
    };
    match put {
        Put::Kept(None) => {}
        Put::Kept(Some(waiter)) | Put::Handed(waiter) => waiter.wake(),
        Put::Close(record) => {
            let retired = record.generation < era.generation();
            let mut held = Held::of_record(record);
            if retired {
                held.recycle(RecycleCause::Retired);
            } else {
                held.close();
            }
            return false;
        }
    }
    shared.close_strays();
    if returned {
        shared.emit(&Event::Checkin { connection: id });
    }
    true
}

/// Closes them all, whatever panics.
pub(super) fn close_all<C: Send + 'static>(records: Vec<Box<Record<C>>>) {
    each(records, |record| Held::of_record(record).close());
}

/// Does it with each, also after one has panicked; the first panic goes on at the end.
pub(super) fn each<T>(all: Vec<T>, mut act: impl FnMut(T)) {
    let mut first = None;
    for one in all {
        if let Err(panic) = catch_unwind(|| act(one)) {
            first.get_or_insert(panic);
        }
    }
    go_on(first);
}

/// A panic goes on, unless another one is on its way: two would abort the process.
fn go_on(panic: Option<Box<dyn std::any::Any + Send>>) {
    if let Some(panic) = panic
        && !panicking()
    {
        resume_unwind(panic)
    }
}

impl<C: Send + 'static> Drop for Held<C> {
    fn drop(&mut self) {
        if let What::Record(_) = self.0 {
            // Whoever wants it closed says so; only a panic gets here.
            self.tell_loss("a panic interrupted what was done with it");
            if let Some(shared) = self.shared().filter(|shared| shared.precious) {
                shared.emit(&Event::InMemoryDatabaseLost {
                    connection: self.id(),
                    reason: "a panic interrupted what was done with it",
                });
            }
            self.close();
        }
    }
}

/// Asks the database for a connection.
pub(super) fn dial<C: Send + 'static>(shared: &Shared<C>, within: Option<Duration>) -> Result<Made<C>, BoxError> {
    let generation = shared.era().generation();
    let connected_at = shared.clock.ticks_now();
    let raw = shared.connector.connect(&Connecting { within })?;
    Ok(Made {
        raw,
        generation,
        connected_at,
    })
}

const BROKEN: &str = "broken";

#[cold]
fn clean<C: Send + 'static>(record: &mut Record<C>) -> Result<(), String> {
    let busy = record.busy;
    let shared = &record.permit.shared;
    // A database in memory is closed only when it is dead, and a ROLLBACK tells.
    if !shared.precious {
        if busy {
            return Err("dropped while a driver call was in progress".into());
        }
        if panicking() {
            return Err("dropped by a panic with a transaction open".into());
        }
    }
    let how = match shared.options.reset_on_return {
        _ if shared.precious && busy => ResetOnReturn::Rollback,
        ResetOnReturn::None => return Ok(()),
        how => how,
    };
    // One that will be closed anyway is not worth a round trip: the server rolls back.
    let retired = record.generation < shared.era().generation() || record.soft_invalidated;
    if retired && !shared.precious {
        return Ok(());
    }
    match shielded(|| shared.connector.reset(&mut record.raw, how)) {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            let reason = format!("reset failed: {error}");
            if shared.connector.reset_found_all_lost(&error) {
                retire(shared, record.generation, &reason);
            }
            return Err(reason);
        }
        None => return Err("reset panicked".into()),
    }
    record
        .permit
        .slot
        .in_transaction
        .store(false, std::sync::atomic::Ordering::Relaxed);
    shared.emit(&Event::Reset { connection: record.id });
    Ok(())
}

/// The moment at which a connection is too old: up to a tenth early, so that those made together do not die together.
fn expiry<C: Send + 'static>(shared: &Shared<C>, connected_at: Ticks) -> Option<Ticks> {
    let lifetime = shared.options.max_lifetime?;
    let tenth = lifetime / 10;
    Some(connected_at.after(lifetime.saturating_sub(tenth.mul_f64(fastrand::f64()))))
}

/// Looks whether a loan is a connection that this pool has had before, and marks it otherwise.
fn remember<C: Send + 'static>(
    raw: &mut Raw<C>,
    shared: &Arc<Shared<C>>,
    new: u64,
    generation: &mut u64,
    connected_at: &mut Ticks,
) -> (u64, bool) {
    let pool = shared.number;
    let Some(extensions) = raw.loan().and_then(|loan| loan.extensions()) else {
        return (new, false);
    };
    if let Some(tag) = extensions.get::<Tag>().copied().filter(|tag| tag.pool == pool) {
        (*generation, *connected_at) = (tag.generation, tag.connected_at);
        return (tag.id, true);
    }
    extensions.insert(Tag {
        pool,
        id: new,
        generation: *generation,
        connected_at: *connected_at,
    });
    (new, false)
}

/// Runs what belongs to the user. While the thread unwinds already, a second panic would abort the process: it is
/// answered as `None`. Otherwise it goes on, and the owners on the stack clean up.
#[inline]
pub(super) fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    if panicking() {
        catch_unwind(call).ok()
    } else {
        Some(call())
    }
}
