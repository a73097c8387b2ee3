//! What is done while nobody asks for anything: filling up, closing what is old, testing what is quiet, reporting leaks.
//!
//! A thread does it, and only if an option asks for it. On a test clock there is none: tests call
//! [`Pool::maintain`](super::Pool::maintain).

use std::panic::Location;
use std::thread;
use std::time::Duration;

use super::acquire::Acquire;
use super::held::{Held, each};
use super::kind::{Idle, Rule};
use super::record::{Record, Who};
use super::shared::Shared;
use super::who::{Place, thread_number};
use super::{Holder, Pool};
use crate::clock::Ticks;
use crate::event::{Event, RecycleCause};
use crate::process;
use crate::sync::{Arc, Condvar, Mutex, catch_unwind, lock, wait_timeout};

/// Ends the maintenance thread with its pool.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<Ringing>,
    rang: Condvar,
}

#[derive(Default)]
struct Ringing {
    over: bool,
    /// The process that has a thread, as the number of forks behind it.
    of_process: Option<u64>,
}

impl Bell {
    pub(super) fn ring(&self) {
        // A fork may have copied the lock while it was held; then there is no thread here either.
        if let Ok(mut state) = self.state.try_lock() {
            state.over = true;
        } else if process::forks() == 0 {
            lock(&self.state).over = true;
        }
        self.rang.notify_all();
    }

    /// Waits for that long; false if the pool is gone.
    fn wait(&self, time: Duration) -> bool {
        let state = lock(&self.state);
        // A wake-up for no reason only means that the thread looks too early.
        !state.over && !wait_timeout(&self.rang, state, time).over
    }
}

impl<C: Send + 'static> Shared<C> {
    /// How often the thread looks: twice as often as the shortest of the times it is to see to.
    fn period(&self) -> Duration {
        let options = &self.options;
        let times = [
            options.idle_timeout,
            options.max_lifetime,
            options.keepalive,
            options.leak_detection_threshold,
            (options.min_idle > 0).then_some(Duration::from_secs(2)),
        ];
        let shortest = times.into_iter().flatten().min().unwrap_or(Duration::MAX);
        (shortest / 2).clamp(Duration::from_millis(50), Duration::from_secs(30))
    }
}

impl<C: Send + 'static> Pool<C> {
    /// Starts the maintenance thread, if it does not run yet in this process.
    pub(super) fn keep_up(&self) {
        let bell = &self.0.bell;
        let Ok(mut state) = bell.state.try_lock() else { return };
        if self.shared().clock.is_test() || state.of_process == Some(process::forks()) {
            return;
        }
        state.of_process = Some(process::forks());
        drop(state);
        let (weak, bell, period) = (Arc::downgrade(self.shared()), Arc::clone(bell), self.shared().period());
        let started = thread::Builder::new().name("aludel-pool".into()).spawn(move || {
            while bell.wait(period) {
                let Some(shared) = weak.upgrade() else { return };
                if catch_unwind(|| maintain(&shared)).is_err() {
                    tracing::error!(target: "aludel.pool", "maintenance of the pool panicked, and goes on");
                }
            }
        });
        if let Err(error) = started {
            tracing::warn!(target: "aludel.pool", %error, "the maintenance thread of the pool could not be started");
        }
    }

    /// Does once what the maintenance thread does again and again: reports leaks, closes what is idle for too long, too
    /// old or retired, tests what has been quiet for `keepalive`, and makes connections up to `min_idle`.
    ///
    /// With the system's clock there is a thread for that, from the first checkout on, if an option asks for it. Call this
    /// to fill a pool before its first use, or on a test clock, which has no thread.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, pool};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .pool(pool::Queue)
    ///     .pool_min_idle(2)
    ///     .build()?;
    /// engine.pool().maintain();
    /// assert_eq!(engine.pool().checkedin(), 2);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn maintain(&self) {
        maintain(self.shared());
    }
}

pub(super) fn maintain<C: Send + 'static>(shared: &Arc<Shared<C>>) {
    report_leaks(shared);
    shared.close_strays();
    if !shared.precious {
        close_old(shared);
    }
    // Who may not wait would be refused what is made or tested here, or get another one.
    if shared.rule == Rule::Wait {
        test_quiet(shared);
        fill_up(shared);
    }
}

fn report_leaks<C: Send + 'static>(shared: &Shared<C>) {
    let Some(threshold) = shared.options.leak_detection_threshold else {
        return;
    };
    let now = shared.clock.ticks_now();
    let Some(since) = now.before(threshold) else { return };
    let leaks: Vec<Holder> = {
        let ledger = lock(&shared.era().ledger);
        let leaking = ledger.slots.iter().filter(|slot| slot.leaks(since));
        leaking.filter_map(|slot| slot.holder(&shared.clock)).collect()
    };
    for holder in &leaks {
        shared.emit(&Event::Leak { holder });
    }
}

fn close_old<C: Send + 'static>(shared: &Shared<C>) {
    let (era, options, now) = (shared.era(), &shared.options, shared.clock.ticks_now());
    let generation = era.generation();
    let mut spare = era.idle().saturating_sub(options.min_idle);
    let mut gone = Vec::new();
    let mut unfit = |idle: &Idle<C>| {
        let record = idle.record();
        let idle_for = record.idle_since.map_or(Duration::ZERO, |since| now.since(since));
        let cause = if record.generation < generation {
            Some(RecycleCause::Retired)
        } else if record.expires_at.is_some_and(|expiry| now >= expiry) {
            Some(RecycleCause::Lifetime)
        } else if spare > 0 && options.idle_timeout.is_some_and(|limit| idle_for >= limit) {
            Some(RecycleCause::Idle)
        } else {
            None
        };
        if let Some(cause) = cause {
            spare = spare.saturating_sub(1);
            gone.push(cause);
        }
        cause.is_some()
    };
    let records = era.remove(&mut unfit);
    each(records.into_iter().zip(gone).collect(), |(record, cause)| {
        Held::of_record(record).recycle(cause);
    });
}

fn test_quiet<C: Send + 'static>(shared: &Arc<Shared<C>>) {
    let Some(keepalive) = shared.options.keepalive else {
        return;
    };
    let now = shared.clock.ticks_now();
    let quiet = |record: &Record<C>| {
        let last = record.tested_at.max(record.idle_since).unwrap_or(record.connected_at);
        now.since(last) >= keepalive
    };
    let records = shared.era().borrow(&mut |idle| quiet(idle.record()), &me(now));
    each(records, |record| {
        let mut held = Held::of_record(record);
        let mut acquire = Acquire::new(shared, Location::caller(), shared.options.pool_timeout);
        // One that does not answer is closed, or left behind, and told of either way.
        if let Ok(None) = acquire.test(&mut held, "keep-alive") {
            held.put_back_quietly(now);
        }
    });
}

fn fill_up<C: Send + 'static>(shared: &Arc<Shared<C>>) {
    let wanted = shared.options.min_idle.min(shared.keep);
    while shared.era().idle() < wanted {
        let Some(permit) = shared.era().open_ahead(&me(shared.clock.ticks_now()), shared) else {
            return;
        };
        let mut held = Held::of_permit(permit);
        if Acquire::new(shared, Location::caller(), shared.options.pool_timeout)
            .connect(&mut held)
            .is_err()
        {
            // Reported; the next round tries again.
            return;
        }
        if !held.put_back_quietly(shared.clock.ticks_now()) {
            // Nobody wants it; the next one would fare no better.
            return;
        }
    }
}

pub(super) fn me(since: Ticks) -> Who {
    Who {
        place: Place::of(Location::caller()),
        since,
        thread: thread_number(),
    }
}
