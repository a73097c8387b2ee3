//! What a pool should do, as plainly as it can be said: two lists and some numbers.

use std::collections::VecDeque;
use std::time::Duration;

use aludel::pool::{Limit, PoolOptions, PrePing, ResetOnReturn};

use super::database::take;
use super::program::{Call, Fault};

/// How a checkout ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Connection(u64),
    Timeout,
    NoConnection,
    Refused,
    Panic,
}

/// A connection that a hook does not want is replaced this often.
const REPLACEMENTS: usize = 2;

#[derive(Debug)]
pub(super) struct Model {
    options: PoolOptions,
    faults: VecDeque<(Call, Fault)>,
    log: Vec<String>,
    /// Since the beginning.
    pub(super) now: Duration,
    /// The one that came back first is first.
    pub(super) idle: VecDeque<Known>,
    pub(super) held: Vec<Known>,
    pub(super) generation: u64,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) detached: u64,
    /// Detached, and not dropped yet.
    outside: Vec<Known>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u64,
    generation: u64,
    made: Duration,
    idle_since: Duration,
    tested: Duration,
    pub(super) soft_invalidated: bool,
    pub(super) dirty: bool,
    /// In the middle of a call, or known to be dead.
    pub(super) unfit: bool,
}

impl Model {
    pub(super) fn new(options: PoolOptions) -> Self {
        Self {
            options,
            faults: VecDeque::new(),
            log: Vec::new(),
            now: Duration::ZERO,
            idle: VecDeque::new(),
            held: Vec::new(),
            generation: 0,
            opened: 0,
            closed: 0,
            detached: 0,
            outside: Vec::new(),
        }
    }

    /// The conversation that the pool should have had.
    pub(super) fn said(&self) -> Vec<String> {
        self.log.clone()
    }

    pub(super) fn next(&mut self, call: Call, fault: Fault) {
        self.faults.push_back((call, fault));
    }

    pub(super) fn check_out(&mut self) -> Outcome {
        let idle = if self.options.use_lifo {
            self.idle.pop_back()
        } else {
            self.idle.pop_front()
        };
        let fit = match idle {
            Some(known) => self.freshen(known),
            None if self.held.len() < number(self.options.limit()) => self.connect(),
            None => return Outcome::Timeout,
        };
        match fit.and_then(|known| self.ask_hook(known)) {
            Ok(known) => {
                let id = known.id;
                self.held.push(known);
                Outcome::Connection(id)
            }
            Err(outcome) => outcome,
        }
    }

    fn connect(&mut self) -> Result<Known, Outcome> {
        match take(&mut self.faults, Call::Connect) {
            Some(Fault::Panic) => return Err(Outcome::Panic),
            Some(Fault::Fail | Fault::Reconnect) => return Err(Outcome::NoConnection),
            None => {}
        }
        self.opened += 1;
        self.log.push(format!("connect {}", self.opened));
        Ok(Known {
            id: self.opened,
            generation: self.generation,
            made: self.now,
            idle_since: self.now,
            tested: self.now,
            soft_invalidated: false,
            dirty: false,
            unfit: false,
        })
    }

    fn freshen(&mut self, known: Known) -> Result<Known, Outcome> {
        let aged = self
            .options
            .pool_recycle
            .is_some_and(|limit| self.now.saturating_sub(known.made) > limit);
        let expired = self.expired(&known);
        if aged || expired || known.generation < self.generation {
            self.close(&known);
            return self.connect();
        }
        let ping = match self.options.pre_ping {
            PrePing::Never => false,
            PrePing::Always => true,
            PrePing::IdleFor(limit) => self.now.saturating_sub(known.idle_since) >= limit,
        };
        if !ping {
            return Ok(known);
        }
        self.log.push(format!("ping {}", known.id));
        match take(&mut self.faults, Call::Ping) {
            None => Ok(known),
            Some(Fault::Panic) => {
                self.close(&known);
                Err(Outcome::Panic)
            }
            Some(Fault::Fail | Fault::Reconnect) => {
                self.retire(known.generation);
                self.close(&known);
                self.connect()
            }
        }
    }

    fn ask_hook(&mut self, mut known: Known) -> Result<Known, Outcome> {
        for replaced in 0..=REPLACEMENTS {
            match take(&mut self.faults, Call::Hook) {
                None => return Ok(known),
                Some(Fault::Panic) => {
                    self.close(&known);
                    return Err(Outcome::Panic);
                }
                Some(Fault::Fail) => {
                    self.close(&known);
                    return Err(Outcome::Refused);
                }
                Some(Fault::Reconnect) => self.close(&known),
            }
            if replaced < REPLACEMENTS {
                known = self.connect()?;
            }
        }
        Err(Outcome::Refused)
    }

    /// Whether that panics.
    pub(super) fn give_back(&mut self, index: usize) -> bool {
        let mut known = self.held.remove(index);
        if known.unfit {
            self.close(&known);
            return false;
        }
        let old = known.generation < self.generation || known.soft_invalidated;
        let how = self.options.reset_on_return;
        if known.dirty && how != ResetOnReturn::None && !old {
            self.log.push(format!("{how:?} {}", known.id));
            if let Some(fault) = take(&mut self.faults, Call::Reset) {
                self.close(&known);
                return fault == Fault::Panic;
            }
        }
        (known.dirty, known.idle_since) = (false, self.now);
        if old {
            self.close(&known);
        } else {
            self.keep(known);
        }
        false
    }

    fn keep(&mut self, known: Known) {
        if known.generation < self.generation || self.idle.len() >= number(self.options.pool_size) {
            self.close(&known);
        } else {
            self.idle.push_back(known);
        }
    }

    fn expired(&self, known: &Known) -> bool {
        let age = self.now.saturating_sub(known.made);
        self.options.max_lifetime.is_some_and(|limit| age >= limit)
    }

    /// Whether that panics.
    pub(super) fn maintain(&mut self) -> bool {
        self.close_old();
        self.test_quiet() || self.fill_up()
    }

    fn close_old(&mut self) {
        let mut spare = self.idle.len().saturating_sub(self.options.min_idle);
        for known in std::mem::take(&mut self.idle) {
            let idle = self.now.saturating_sub(known.idle_since);
            let idle_for_too_long = spare > 0 && self.options.idle_timeout.is_some_and(|limit| idle >= limit);
            if known.generation < self.generation || self.expired(&known) || idle_for_too_long {
                spare = spare.saturating_sub(1);
                self.close(&known);
            } else {
                self.idle.push_back(known);
            }
        }
    }

    fn test_quiet(&mut self) -> bool {
        let Some(keepalive) = self.options.keepalive else {
            return false;
        };
        let now = self.now;
        let (quiet, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.idle)
            .into_iter()
            .partition(|known| now.saturating_sub(known.tested.max(known.idle_since)) >= keepalive);
        self.idle = others.into();
        let mut panicked = false;
        for mut known in quiet {
            self.log.push(format!("ping {}", known.id));
            match take(&mut self.faults, Call::Ping) {
                None => {
                    known.tested = now;
                    self.keep(known);
                }
                Some(Fault::Fail | Fault::Reconnect) => {
                    self.retire(known.generation);
                    self.close(&known);
                }
                Some(Fault::Panic) => {
                    // The others are tested all the same.
                    self.close(&known);
                    panicked = true;
                }
            }
        }
        panicked
    }

    fn fill_up(&mut self) -> bool {
        let wanted = self.options.min_idle.min(number(self.options.pool_size));
        while self.idle.len() < wanted && self.idle.len() + self.held.len() < number(self.options.limit()) {
            match self.connect() {
                Ok(known) => self.keep(known),
                Err(outcome) => return outcome == Outcome::Panic,
            }
        }
        false
    }

    pub(super) fn invalidate(&mut self, index: usize) {
        let known = self.held.remove(index);
        self.close(&known);
    }

    pub(super) fn detach(&mut self, index: usize) {
        let known = self.held.remove(index);
        self.detached += 1;
        self.outside.push(known);
    }

    pub(super) fn take_out(&mut self, index: usize) {
        self.held.remove(index);
        self.detached += 1;
    }

    pub(super) fn drop_detached(&mut self, index: usize) {
        let known = self.outside.remove(index);
        self.log.push(format!("close {}", known.id));
    }

    /// Whether it was the first report of that generation.
    pub(super) fn retire(&mut self, generation: u64) -> bool {
        let first = generation >= self.generation;
        self.generation += u64::from(first);
        first
    }

    pub(super) fn dispose(&mut self) {
        self.generation += 1;
        for known in std::mem::take(&mut self.idle) {
            self.close(&known);
        }
    }

    fn close(&mut self, known: &Known) {
        self.closed += 1;
        self.log.push(format!("close {}", known.id));
    }
}

fn number(limit: Limit) -> usize {
    match limit {
        Limit::AtMost(connections) => connections,
        Limit::Unlimited => usize::MAX,
    }
}
