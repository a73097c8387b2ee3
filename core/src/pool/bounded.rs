//! Calls that may take longer than their caller will wait: they run on a helper thread, which is left behind if they do.
//!
//! No client library lets us set a time-out on a connect or a ping once it has begun, and a peer that swallows packets
//! answers neither yes nor no. Helper threads are shared by all pools of the process and end after a few idle seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::who::{acting_for, acting_thread};
use crate::clock::Clock;
use crate::process;
use crate::sync::{Arc, Condvar, Mutex, PoisonError, lock};

/// How long a helper waits for more work. Shorter, and a pool that pings now and then would start a thread each time;
/// longer, and a program that connected once would keep one for nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A call, and what becomes of it.
pub(super) struct Bounded<'a, J, L, A> {
    pub(super) clock: &'a Clock,
    /// `None` is never: then the call should not come here.
    pub(super) deadline: Option<Instant>,
    /// May not panic.
    pub(super) job: J,
    /// Runs on the caller's thread when it gives up, and before `late`.
    pub(super) left: L,
    /// Runs on the helper with what came too late.
    pub(super) late: A,
}

enum Progress<T> {
    Running,
    Done(T),
    Left,
}

/// Runs the job; `None` if it was left behind.
pub(super) fn bounded<T, J, L, A>(call: Bounded<'_, J, L, A>) -> Option<T>
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
    L: FnOnce(),
    A: FnOnce(T) + Send + 'static,
{
    let Bounded {
        clock,
        deadline,
        job,
        left,
        late,
    } = call;
    let meeting = Arc::new((Mutex::new(Progress::Running), Condvar::new()));
    let theirs = Arc::clone(&meeting);
    let log = tracing::dispatcher::get_default(Clone::clone);
    let caller = acting_thread();
    helper(Box::new(move || {
        let value = tracing::dispatcher::with_default(&log, || acting_for(caller, job));
        let (progress, changed) = &*theirs;
        let mut progress = lock(progress);
        if matches!(*progress, Progress::Left) {
            drop(progress);
            tracing::dispatcher::with_default(&log, || late(value));
        } else {
            *progress = Progress::Done(value);
            changed.notify_one();
        }
    }));
    let (progress, changed) = &*meeting;
    let mut progress = lock(progress);
    loop {
        match std::mem::replace(&mut *progress, Progress::Running) {
            Progress::Done(value) => return Some(value),
            _ if deadline.is_some_and(|deadline| clock.now() >= deadline) => {
                left();
                *progress = Progress::Left;
                return None;
            }
            _ => {}
        }
        progress = match deadline {
            None => changed.wait(progress).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => clock.wait_until(changed, progress, deadline),
        };
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A helper that has nothing to do.
#[derive(Default)]
struct Helper {
    job: Mutex<Option<Job>>,
    given: Condvar,
}

/// The idle helpers of this process; after a fork they are those of the parent.
struct Bench {
    forks: u64,
    idle: Vec<Arc<Helper>>,
}

static BENCH: Mutex<Bench> = Mutex::new(Bench {
    forks: 0,
    idle: Vec::new(),
});

/// The bench, unless a fork has copied its lock while it was held.
fn bench<T>(use_it: impl FnOnce(&mut Vec<Arc<Helper>>) -> T) -> Option<T> {
    static FORKS: AtomicU64 = AtomicU64::new(0);
    let forks = process::forks();
    let mut bench = if FORKS.load(Ordering::Relaxed) == forks {
        lock(&BENCH)
    } else {
        BENCH.try_lock().ok()?
    };
    if bench.forks != forks {
        // They do not exist here.
        std::mem::forget(std::mem::take(&mut bench.idle));
        bench.forks = forks;
        FORKS.store(forks, Ordering::Relaxed);
    }
    Some(use_it(&mut bench.idle))
}

/// Gives the job to an idle helper, or to a new one.
fn helper(job: Job) {
    if let Some(helper) = bench(Vec::pop).flatten() {
        *lock(&helper.job) = Some(job);
        helper.given.notify_one();
        return;
    }
    // Where no thread can be had the job runs here, without its bound.
    let job = Arc::new(Mutex::new(Some(job)));
    let theirs = Arc::clone(&job);
    let started = thread::Builder::new().name("aludel-helper".into()).spawn(move || {
        if let Some(job) = lock(&theirs).take() {
            job();
        }
        work();
    });
    if let Err(error) = started {
        tracing::warn!(target: "aludel.pool", %error, "no helper thread could be started; pool_timeout does not bound this call");
        if let Some(job) = lock(&job).take() {
            job();
        }
    }
}

fn work() {
    let me = Arc::new(Helper::default());
    while bench(|idle| idle.push(Arc::clone(&me))).is_some() {
        let until = Instant::now() + PATIENCE;
        let mut job = lock(&me.job);
        while job.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(job);
                let idle = bench(|idle| {
                    let place = idle.iter().position(|other| Arc::ptr_eq(other, &me));
                    place.map(|place| idle.swap_remove(place))
                });
                if idle.flatten().is_some() {
                    return;
                }
                // Somebody has taken this one off the bench, and is about to give it a job.
                job = me
                    .given
                    .wait_while(lock(&me.job), |job| job.is_none())
                    .unwrap_or_else(PoisonError::into_inner);
                break;
            }
            job = me
                .given
                .wait_timeout(job, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let next = job.take();
        drop(job);
        if let Some(next) = next {
            next();
        }
    }
}
