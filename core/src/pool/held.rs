//! What is owned between a slot's leaving the queue and its return, so that no early exit and no panic loses it.

use super::error::PoolError;
use super::options::ResetOnReturn;
use super::queue::Put;
use super::record::Record;
use super::{Pool, Shared};
use crate::event::Event;
use crate::sync::{catch_unwind, lock, panicking};

/// The right to one slot; dropped, it goes to the longest waiter or back to the pool.
pub(super) struct Permit<C: Send + 'static> {
    pub(super) pool: Pool<C>,
    slot: usize,
    armed: bool,
}

impl<C: Send + 'static> Drop for Permit<C> {
    fn drop(&mut self) {
        if self.armed {
            let waiter = lock(&self.pool.0.queue).release(self.slot, &self.pool.0.clock);
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }
}

/// A slot with or without its raw connection; dropped, the connection is closed and then the permit released.
pub(super) struct Held<C: Send + 'static> {
    pub(super) record: Option<Box<Record<C>>>,
    /// Dropped after the body of `drop`, also when that panics.
    pub(super) permit: Permit<C>,
}

impl<C: Send + 'static> Held<C> {
    pub(super) fn of_record(pool: Pool<C>, record: Box<Record<C>>) -> Self {
        let slot = record.slot;
        Self {
            record: Some(record),
            permit: Permit {
                pool,
                slot,
                armed: true,
            },
        }
    }

    pub(super) fn of_permit(pool: Pool<C>, slot: usize) -> Self {
        Self {
            record: None,
            permit: Permit {
                pool,
                slot,
                armed: true,
            },
        }
    }

    fn shared(&self) -> &Shared<C> {
        &self.permit.pool.0
    }

    /// The number of the connection, 0 without one.
    pub(super) fn id(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.id)
    }

    /// Makes a raw connection, in the place of the one that was just closed if there was one.
    pub(super) fn connect(&mut self) -> Result<(), PoolError> {
        let slot = self.permit.slot;
        let generation = lock(&self.shared().queue).connecting(slot);
        let connected_at = self.shared().clock.now();
        let raw = self.shared().connector.connect().map_err(|error| {
            self.shared().emit(&Event::ConnectFailed { error: &*error });
            PoolError::Connect(error)
        })?;
        let id = lock(&self.shared().queue).connected(slot);
        self.record = Some(Box::new(Record {
            raw,
            slot,
            id,
            generation,
            connected_at,
            idle_since: None,
        }));
        self.shared().emit(&Event::Connect { connection: id });
        Ok(())
    }

    /// Declares the raw connection unusable and closes it.
    pub(super) fn invalidate(&mut self, reason: &str) {
        self.shared().emit(&Event::Invalidate {
            connection: self.id(),
            reason,
        });
        self.close();
    }

    /// Closes the raw connection, outside the lock; the permit stays.
    pub(super) fn close(&mut self) {
        let Some(record) = self.record.take() else { return };
        let id = record.id;
        lock(&self.shared().queue).closing(record.slot);
        shielded(|| drop(record));
        self.shared().emit(&Event::Close { connection: id });
    }

    /// Takes the raw connection out for good.
    pub(super) fn detach(&mut self) -> Option<C> {
        let record = self.record.take()?;
        let Record { raw, id, .. } = *record;
        self.shared().emit(&Event::Detach { connection: id });
        Some(raw)
    }

    /// Gives the connection back: to the longest waiter, to the idle ones, or to its end.
    pub(super) fn give_back(&mut self, dirty: bool, busy: bool) {
        if let Err(reason) = self.restore(dirty, busy) {
            return self.invalidate(&reason);
        }
        let Some(mut record) = self.record.take() else { return };
        let shared = self.shared();
        let id = record.id;
        record.idle_since = shared.note_idle.then(|| shared.clock.now());
        let put = lock(&shared.queue).put(record, &shared.clock);
        match put {
            Put::Kept => {}
            Put::Handed(waiter) => waiter.wake(),
            Put::Close(record) => {
                self.record = Some(record);
                return self.close();
            }
        }
        self.permit.armed = false;
        self.shared().emit(&Event::Checkin { connection: id });
    }

    /// Makes the connection fit for the next borrower, or says why it cannot be.
    fn restore(&mut self, dirty: bool, busy: bool) -> Result<(), String> {
        let shared = &self.permit.pool.0;
        let Some(record) = &mut self.record else { return Ok(()) };
        if busy {
            return Err("dropped while a driver call was in progress".into());
        }
        if dirty && panicking() {
            return Err("dropped by a panic with a transaction open".into());
        }
        if shielded(|| shared.connector.has_broken(&mut record.raw)).unwrap_or(true) {
            return Err("broken".into());
        }
        let how = shared.options.reset_on_return;
        // One that will be closed anyway is not worth a round trip: the server rolls back.
        if !dirty || how == ResetOnReturn::None || record.generation < shared.generation() {
            return Ok(());
        }
        match shielded(|| shared.connector.reset(&mut record.raw, how)) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(format!("reset failed: {error}")),
            None => return Err("reset panicked".into()),
        }
        shared.emit(&Event::Reset { connection: record.id });
        Ok(())
    }
}

impl<C: Send + 'static> Drop for Held<C> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs what belongs to the user. While the thread unwinds already, a second panic would abort the process: it is
/// answered as `None`. Otherwise it goes on, and the owners on the stack clean up.
pub(super) fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    if panicking() {
        catch_unwind(call).ok()
    } else {
        Some(call())
    }
}
