//! From a request to a connection that is fit to be handed out.

use std::time::Duration;

use super::Pool;
use super::connector::{CheckoutInfo, Refuse};
use super::error::PoolError;
use super::held::Held;
use super::options::{Limit, PrePing};
use super::queue::Taken;
use super::record::{Record, Who};
use super::waiter::{Grant, Waiter};
use crate::event::Event;
use crate::sync::{Arc, lock};

/// How often a checkout hook may ask for another connection; SQLAlchemy's number.
const REPLACEMENTS: u32 = 2;

impl<C: Send + 'static> Pool<C> {
    pub(super) fn acquire(&self, who: Who<'_>, timeout: Duration) -> Result<Held<C>, PoolError> {
        let place = who.place;
        let taken = lock(&self.0.queue).take(who);
        let (mut held, waited) = match taken {
            Taken::Record(record) => (Held::of_record(self.clone(), record), Duration::ZERO),
            Taken::Permit(slot) => (Held::of_permit(self.clone(), slot), Duration::ZERO),
            Taken::Wait(waiter) => self.wait(waiter, timeout)?,
        };
        let mut info = Info {
            place,
            waited,
            fresh: false,
        };
        self.freshen(&mut held, &mut info)?;
        self.ask_hook(&mut held, &mut info)?;
        self.0.emit(&Event::Checkout {
            connection: held.id(),
            waited,
        });
        Ok(held)
    }

    #[cold]
    fn wait(&self, waiter: Arc<Waiter<C>>, timeout: Duration) -> Result<(Held<C>, Duration), PoolError> {
        let clock = &self.0.clock;
        let started = clock.now();
        let mut waiting = Waiting {
            pool: self,
            waiter: Some(waiter),
        };
        let held = waiting.wait(timeout);
        let waited = clock.now().saturating_duration_since(started);
        match held {
            Ok(held) => Ok((held, waited)),
            Err(holders) => {
                self.0.emit(&Event::PoolTimeout { waited });
                let options = &self.0.options;
                let number = |limit| match limit {
                    Limit::AtMost(connections) => connections,
                    Limit::Unlimited => 0,
                };
                let (size, overflow) = (number(options.pool_size), number(options.max_overflow));
                Err(PoolError::Timeout {
                    size,
                    overflow,
                    timeout,
                    waited,
                    holders,
                })
            }
        }
    }

    /// Connects where there is nothing, and replaces what is retired, too old or dead.
    fn freshen(&self, held: &mut Held<C>, info: &mut Info) -> Result<(), PoolError> {
        let options = &self.0.options;
        let Some(record) = &mut held.record else {
            return info.connect(held);
        };
        let now = self.0.note_checkout.then(|| self.0.clock.now());
        let since = |then| now.map_or(Duration::ZERO, |now| now.saturating_duration_since(then));
        let aged = options
            .pool_recycle
            .is_some_and(|limit| since(record.connected_at) > limit);
        if aged || record.generation < self.0.generation() {
            held.close();
            return info.connect(held);
        }
        let ping = match options.pre_ping {
            PrePing::Never => false,
            PrePing::Always => true,
            PrePing::IdleFor(limit) => record.idle_since.is_none_or(|idle| since(idle) >= limit),
        };
        if !ping {
            return Ok(());
        }
        let answer = self.0.connector.ping(&mut record.raw);
        let Record { id, generation, .. } = **record;
        self.0.emit(&Event::Ping {
            connection: id,
            alive: answer.is_ok(),
        });
        if let Err(error) = answer {
            let reason = format!("pre-ping failed: {error}");
            // First, since closing a dead connection may take a while and the others need not find out for themselves.
            self.retire(generation, &reason);
            held.invalidate(&reason);
            info.connect(held)?;
        }
        Ok(())
    }

    fn ask_hook(&self, held: &mut Held<C>, info: &mut Info) -> Result<(), PoolError> {
        for replaced in 0..=REPLACEMENTS {
            let Some(record) = &mut held.record else { break };
            let told = info.of(record);
            match self.0.connector.on_checkout(&mut record.raw, &told) {
                Ok(()) => return Ok(()),
                Err(Refuse::Error(error)) => {
                    held.invalidate(&format!("refused at checkout: {error}"));
                    return Err(PoolError::Refused(error));
                }
                Err(Refuse::Reconnect) => held.invalidate("refused at checkout"),
            }
            if replaced < REPLACEMENTS {
                info.connect(held)?;
            }
        }
        Err(PoolError::RefusedAgain { replaced: REPLACEMENTS })
    }
}

/// What is known of a checkout in progress.
struct Info {
    place: &'static std::panic::Location<'static>,
    waited: Duration,
    fresh: bool,
}

impl Info {
    fn connect<C: Send + 'static>(&mut self, held: &mut Held<C>) -> Result<(), PoolError> {
        self.fresh = true;
        held.connect()
    }

    fn of<C>(&self, record: &Record<C>) -> CheckoutInfo {
        CheckoutInfo {
            connection: record.id,
            generation: record.generation,
            connected_at: record.connected_at,
            fresh: self.fresh,
            waited: self.waited,
            place: self.place,
        }
    }
}

/// A place in the queue; dropped, it is given up, and what was granted meanwhile goes on to the next.
pub(super) struct Waiting<'a, C: Send + 'static> {
    pub(super) pool: &'a Pool<C>,
    /// `None` once it has been granted something or has left.
    pub(super) waiter: Option<Arc<Waiter<C>>>,
}

impl<C: Send + 'static> Waiting<'_, C> {
    /// What was granted, or who holds the connections.
    fn wait(&mut self, timeout: Duration) -> Result<Held<C>, Vec<super::Holder>> {
        let clock = &self.pool.0.clock;
        let deadline = clock.now().checked_add(timeout);
        let granted = self.waiter.as_ref().and_then(|waiter| waiter.wait(clock, deadline));
        if let Some(grant) = granted {
            self.waiter = None;
            return Ok(self.own(grant));
        }
        // A grant may have come just now: then it is used.
        self.leave()
            .map_or_else(|| Err(self.pool.holders()), |grant| Ok(self.own(grant)))
    }

    /// Leaves the queue; answers the grant that came first, if one did.
    fn leave(&mut self) -> Option<Grant<C>> {
        let waiter = self.waiter.take()?;
        let left = lock(&self.pool.0.queue).leave(&waiter);
        if left { None } else { waiter.take() }
    }

    fn own(&self, grant: Grant<C>) -> Held<C> {
        match grant {
            Grant::Record(record) => Held::of_record(self.pool.clone(), record),
            Grant::Permit(slot) => Held::of_permit(self.pool.clone(), slot),
        }
    }
}

impl<C: Send + 'static> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        if let Some(grant) = self.leave() {
            self.own(grant).give_back(false, false);
        }
    }
}
