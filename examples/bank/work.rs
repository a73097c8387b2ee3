//! The threads that make transfers, and the progress that is shown meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Options;
use crate::ledger::Transfer;
use crate::tally;
use crate::transfer::{Answer, Receipt, Teller};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// What the callers were told.
#[derive(Debug, Default)]
pub(crate) struct Day {
    pub(crate) acknowledged: Vec<Transfer>,
    pub(crate) had_happened: u64,
    pub(crate) overdrawn: u64,
    /// Calls that failed, by the words of the error.
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) lasted: Duration,
    /// The longest that a caller has waited for its answer.
    pub(crate) slowest: Duration,
}

impl Day {
    /// Calls that failed, all together.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    fn note(&mut self, order: Transfer, answer: Answer) {
        match answer {
            Answer::Done(receipt) => {
                self.acknowledged.push(order);
                self.had_happened += u64::from(receipt == Receipt::HadHappened);
            }
            Answer::Overdrawn => self.overdrawn += 1,
            Answer::Failed(error) => *self.failed.entry(tally::words(&error)).or_default() += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.had_happened += other.had_happened;
        self.overdrawn += other.overdrawn;
        for (error, count) in other.failed {
            *self.failed.entry(error).or_default() += count;
        }
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Makes transfers until the time is over. `trouble` runs beside them until it is told to stop; `news` is shown.
pub(crate) fn day<T: Teller>(
    teller: &T,
    options: &Options,
    trouble: impl FnOnce(&AtomicBool) -> aludel::Result<()> + Send,
    news: impl Fn() -> String,
) -> aludel::Result<Day> {
    let begun = Instant::now();
    let (stop, served, next_id) = (AtomicBool::new(false), AtomicU64::new(0), AtomicI64::new(1));
    let clerk = || {
        let mut day = Day::default();
        while !stop.load(Ordering::Relaxed) {
            let order = Transfer::random(next_id.fetch_add(1, Ordering::Relaxed), options.accounts);
            let asked = Instant::now();
            let answer = teller.serve(&order);
            day.slowest = day.slowest.max(asked.elapsed());
            day.note(order, answer);
            served.fetch_add(1, Ordering::Relaxed);
        }
        day
    };
    thread::scope(|scope| {
        let clerks: Vec<_> = (0..options.threads).map(|_| scope.spawn(clerk)).collect();
        let trouble = scope.spawn(|| trouble(&stop));
        show_progress(begun, Duration::from_secs(options.seconds), &served, news);
        stop.store(true, Ordering::Relaxed);
        let mut day = Day::default();
        for clerk in clerks {
            day.merge(joined(clerk));
        }
        day.lasted = begun.elapsed();
        joined(trouble).map(|()| day)
    })
}

/// Until the time is over. The bar hides itself where there is no terminal.
fn show_progress(begun: Instant, lasts: Duration, served: &AtomicU64, news: impl Fn() -> String) {
    let bar = ProgressBar::new(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
        .with_style(ProgressStyle::with_template("{bar:30} {msg}").expect("the template is right, and never changes"));
    while begun.elapsed() < lasts {
        bar.set_position(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        bar.set_message(format!("{} transfers{}", served.load(Ordering::Relaxed), news()));
        thread::sleep(TICK.min(lasts.saturating_sub(begun.elapsed())));
    }
    bar.finish_and_clear();
}

/// A thread's panic goes on in this one.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
