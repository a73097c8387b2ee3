//! Waiting for a host that is down: of all who wait, one tries.
//!
//! | A caller of [`Retries::wait_for_host`] | when | leaves it |
//! |---|---|---|
//! | becomes the prober | nobody is it | after a pause, with the role |
//! | waits | somebody is | when a prober or a newcomer has got through; with the role, when the prober has given up; at its deadline; when its token is cancelled |
//!
//! A [`Probe`] is the role. Whatever becomes of its owner, its drop hands it on; its owner's success wakes everybody.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Retries;
use crate::cancel::CancelToken;
use crate::clock::Clock;
use crate::error::Exit;
use crate::forkable::Forkable;
use crate::process;
use crate::sync::{Arc, AtomicBool, Condvar, Mutex, lock};

/// Who waits for the host of an engine.
#[derive(Default)]
pub(super) struct Host {
    /// Whether anybody would want to hear that the host serves. Written under the lock, read without it.
    awaited: AtomicBool,
    /// Held for a moment. The word of a waiter is locked under it, and never the other way round.
    state: Forkable<State>,
}

#[derive(Default)]
struct State {
    /// Of the process that all this is about: what waits in a parent does not wait in its child.
    forks: u64,
    /// The number of the role, while somebody has it.
    prober: Option<u64>,
    roles: u64,
    /// When the host was first found down.
    since: Option<Instant>,
    waiters: VecDeque<Arc<Waiter>>,
}

/// One caller that waits.
#[derive(Default)]
struct Waiter {
    word: Mutex<Word>,
    changed: Condvar,
}

/// What a waiter is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    /// Nothing yet. Exits: each of the others, by whoever says it first.
    #[default]
    Wait,
    /// The host serves.
    TryAgain,
    /// It is the prober now.
    Probe(u64),
    /// Its token was cancelled.
    Stop,
}

/// The role of the one who tries. Dropping it hands it on.
#[doc(hidden)]
#[must_use = "who drops it does not try"]
pub struct Probe {
    retries: Arc<Retries>,
    /// 0 for one that nobody else knows of: in a forked child whose lock is lost.
    number: u64,
}

/// How a wait has ended.
#[doc(hidden)]
#[derive(Debug)]
pub enum Waited {
    /// It is worth another attempt; with the role, the others wait for what becomes of it.
    TryAgain(Option<Probe>),
    /// The time is over.
    InVain,
    /// The token was cancelled.
    Stopped(Exit),
}

/// For so long a restart is expected to take, and its end should be noticed at once.
const QUICK: Duration = Duration::from_secs(5);

/// Oftener would be a load on the host, with one prober in each engine of each process; more seldom would be felt.
const QUICK_PAUSE: Duration = Duration::from_millis(25);

/// A host that is down for long is not hammered; nobody waits longer than this for the news of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// As long as anybody waits: what a clock can tell has an end.
const A_CENTURY: Duration = Duration::from_hours(24 * 365 * 100);

impl Retries {
    /// Waits until the host is worth another attempt, but not beyond `until`. `probe` is the role of a caller that has just
    /// tried in vain.
    pub fn wait_for_host(
        self: &Arc<Self>,
        probe: Option<Probe>,
        clock: &Clock,
        token: &CancelToken,
        until: Option<Instant>,
    ) -> Waited {
        let now = clock.now();
        match probe.map_or_else(|| self.line_up(now), Place::Prober) {
            Place::Prober(probe) => probe.pause(clock, token, until),
            Place::Waiter(waiter) => match self.wait(&waiter, clock, token, until) {
                Word::TryAgain => Waited::TryAgain(None),
                Word::Probe(number) => Probe::of(self, number).pause(clock, token, until),
                Word::Stop => Waited::Stopped(token.check().err().unwrap_or_else(|| Exit::new("cancelled"))),
                Word::Wait => Waited::InVain,
            },
        }
    }

    /// Whether anybody waits for the host.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.host.awaited.load(Ordering::Relaxed)
    }

    /// A transaction has begun on a connection of this age. If that was made after the host was found down, the host serves.
    #[cold]
    pub fn has_begun(&self, age: Duration, clock: &Clock) {
        let made = clock.now().checked_sub(age);
        self.host.with(|state| {
            if matches!((made, state.since), (Some(made), Some(since)) if made >= since) {
                state.serves();
                self.host.note(state);
            }
        });
    }

    /// Takes the role, or a place behind whoever has it.
    fn line_up(self: &Arc<Self>, now: Instant) -> Place {
        let place = self.host.with(|state| {
            state.since.get_or_insert(now);
            let place = if state.prober.is_none() {
                Err(state.new_role())
            } else {
                let waiter = Arc::new(Waiter::default());
                state.waiters.push_back(Arc::clone(&waiter));
                Ok(waiter)
            };
            self.host.note(state);
            place
        });
        match place {
            Some(Ok(waiter)) => Place::Waiter(waiter),
            Some(Err(number)) => Place::Prober(Probe::of(self, number)),
            None => Place::Prober(Probe::of(self, 0)),
        }
    }

    fn wait(&self, waiter: &Arc<Waiter>, clock: &Clock, token: &CancelToken, until: Option<Instant>) -> Word {
        let alarm = Arc::clone(waiter);
        let listening = token.on_cancel(move || {
            alarm.hear(Word::Stop);
        });
        let word = waiter.listen(clock, until.unwrap_or_else(|| clock.now() + A_CENTURY));
        drop(listening);
        if matches!(word, Word::TryAgain | Word::Probe(_)) {
            return word;
        }
        // Out of the queue; and if the role was handed over in this very moment, it goes on to the next.
        self.host.with(|state| {
            state.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
            if let Word::Probe(number) = waiter.word() {
                state.hand_on(number);
            }
            self.host.note(state);
        });
        word
    }
}

enum Place {
    Prober(Probe),
    Waiter(Arc<Waiter>),
}

impl Host {
    /// Looks at the state, once it is that of this process; `None` where the lock was lost in a fork.
    fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> Option<R> {
        let forks = process::forks();
        self.state.with(|state| {
            if state.forks != forks {
                *state = State {
                    forks,
                    roles: state.roles, // a role that the fork has copied is not given out again
                    ..State::default()
                };
            }
            look(state)
        })
    }

    fn note(&self, state: &State) {
        self.awaited.store(state.since.is_some(), Ordering::Relaxed);
    }
}

impl State {
    fn new_role(&mut self) -> u64 {
        self.roles += 1;
        self.prober = Some(self.roles);
        self.roles
    }

    /// Everybody tries again.
    fn serves(&mut self) {
        self.since = None;
        for waiter in self.waiters.drain(..) {
            waiter.hear(Word::TryAgain);
        }
    }

    /// Whoever has this role has given it up: it goes to the one who has waited longest.
    fn hand_on(&mut self, number: u64) {
        if self.prober != Some(number) {
            return;
        }
        self.prober = None;
        while let Some(waiter) = self.waiters.pop_front() {
            let role = self.new_role();
            if waiter.hear(Word::Probe(role)) {
                return;
            }
            self.prober = None; // it was cancelled a moment ago
        }
        self.since = None;
    }
}

impl Waiter {
    /// Tells the waiter, unless it was told something before.
    fn hear(&self, new: Word) -> bool {
        let mut word = lock(&self.word);
        if *word != Word::Wait {
            return false;
        }
        *word = new;
        drop(word);
        self.changed.notify_one();
        true
    }

    fn listen(&self, clock: &Clock, until: Instant) -> Word {
        let mut word = lock(&self.word);
        while *word == Word::Wait && clock.now() < until {
            word = clock.wait_until(&self.changed, word, until);
        }
        *word
    }

    fn word(&self) -> Word {
        *lock(&self.word)
    }
}

impl Probe {
    fn of(retries: &Arc<Retries>, number: u64) -> Self {
        Self {
            retries: Arc::clone(retries),
            number,
        }
    }

    /// Its owner's transaction has begun: the host serves, and everybody tries again.
    pub fn succeeded(self) {
        let host = &self.retries.host;
        host.with(|state| {
            state.serves();
            host.note(state);
        });
    }

    /// The pause before the next attempt.
    fn pause(self, clock: &Clock, token: &CancelToken, until: Option<Instant>) -> Waited {
        let now = clock.now();
        let host = &self.retries.host;
        let since = host.with(|state| {
            let since = *state.since.get_or_insert(now);
            host.note(state);
            since
        });
        let since = since.unwrap_or(now);
        let pause = pause_after(now.saturating_duration_since(since));
        if until.is_some_and(|until| now + pause >= until) {
            return Waited::InVain;
        }
        match token.sleep(clock, pause) {
            Ok(()) => Waited::TryAgain(Some(self)),
            Err(exit) => Waited::Stopped(exit),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let host = &self.retries.host;
        host.with(|state| {
            state.hand_on(self.number);
            host.note(state);
        });
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({})", self.number)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("awaited", &self.awaited)
            .finish_non_exhaustive()
    }
}

/// How long a prober pauses when its host has been down for so long: quickly for the first seconds, then for a twentieth of
/// the time beyond them.
fn pause_after(down: Duration) -> Duration {
    let longest = (QUICK_PAUSE + down.saturating_sub(QUICK) / 20).min(LONGEST_PAUSE);
    // Half of it is jitter, so that the probers of many processes do not knock together.
    longest.mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests;
