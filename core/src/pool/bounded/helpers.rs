//! The helper threads of the process, and the bench on which the idle ones sit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::process;
use crate::sync::{Arc, Condvar, Mutex, PoisonError, lock};

/// How long a helper waits for more work. Shorter, and a pool that pings now and then would start a thread each time;
/// longer, and a program that connected once would keep one for nothing.
const PATIENCE: Duration = Duration::from_secs(5);

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
pub(super) fn helper(job: Job) {
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
