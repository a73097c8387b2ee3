//! Figures of a benchmark: ratios of two sides that were measured in the same run.
//!
//! Machines are shared and noisy, so a time by itself means little. All sides of a comparison take turns, the one that
//! begins changes with each round, a ratio is taken within a round, and the median of the rounds is the figure.
//!
//! ```
//! use aludel_tests::figures::{alternate, median};
//!
//! let rounds = alternate(5, &mut [&mut || 10.0, &mut || 30.0]);
//! assert_eq!(rounds.ratio(1, 0), 3.0);
//! assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
//! ```

mod cores;

pub use cores::Cores;

use std::fmt::Display;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Prints a figure as the line that programs look for.
pub fn figure(name: &str, value: f64) {
    println!("figure {name} {value:.3}");
}

/// Prints a figure that was counted and not measured.
pub fn count(name: &str, value: u64) {
    println!("figure {name} {value}");
}

/// Prints what only people read.
pub fn comment(text: impl Display) {
    println!("# {text}");
}

/// What each side took in each round.
#[derive(Clone, Debug)]
pub struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// The median of what this side took.
    pub fn of(&self, side: usize) -> f64 {
        median(self.0.iter().map(|round| round[side]).collect())
    }

    /// The median, over the rounds, of what one side took divided by what the other one took in the same round.
    pub fn ratio(&self, above: usize, below: usize) -> f64 {
        median(self.0.iter().map(|round| round[above] / round[below]).collect())
    }
}

/// Measures every side once a round, a different one first each time. A side answers what it took, in any unit.
pub fn alternate(rounds: usize, sides: &mut [&mut dyn FnMut() -> f64]) -> Rounds {
    let mut all = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let mut took = vec![0.0; sides.len()];
        for turn in 0..sides.len() {
            let side = (round + turn) % sides.len();
            took[side] = (sides[side])();
        }
        all.push(took);
    }
    Rounds(all)
}

/// The middle value, or the mean of the two middle ones.
///
/// # Panics
///
/// If there are no values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// How many turns a side has in a round.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// Of these the fastest counts.
    pub batches: u32,
    /// Turns in each.
    pub in_a_batch: u32,
}

impl Turns {
    /// On a database in the same process: some ten milliseconds a side and round.
    pub const HERE: Self = Self {
        batches: 20,
        in_a_batch: 200,
    };

    /// On a server.
    pub const ON_A_SERVER: Self = Self {
        batches: 8,
        in_a_batch: 12,
    };

    /// Microseconds a turn, in the fastest of the batches: the one in which nobody else wanted the core.
    pub fn microseconds(self, mut turn: impl FnMut()) -> f64 {
        let mut batch = || {
            let began = Instant::now();
            for _ in 0..self.in_a_batch {
                turn();
            }
            began.elapsed()
        };
        let fastest = (0..self.batches).map(|_| batch()).min().unwrap_or_default();
        fastest.as_secs_f64() * 1e6 / f64::from(self.in_a_batch)
    }
}

/// Turns between two looks at the clock.
const BATCH: u64 = 32;

/// Lets `threads` threads repeat `turn` for about that long, and answers the nanoseconds from one turn's end to the next,
/// whoever's turn it was.
///
/// # Panics
///
/// If `turn` does.
#[expect(clippy::cast_precision_loss, reason = "a round has far fewer than 2^52 turns")]
pub fn nanoseconds_a_turn(threads: usize, lasting: Duration, turn: impl Fn() + Sync) -> f64 {
    let work = crowd(threads, lasting, |over| {
        let mut turns = 0_u64;
        while !over() {
            // To ask whether it is over costs a few nanoseconds, which are nobody's.
            for _ in 0..BATCH {
                turn();
            }
            turns += BATCH;
        }
        turns
    });
    let first = work.iter().map(|work| work.began).min();
    let last = work.iter().map(|work| work.ended).max();
    let all = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    let turns: u64 = work.iter().map(|work| work.answer).sum();
    all.as_nanos() as f64 / turns as f64
}

/// What one thread of a crowd did.
#[derive(Clone, Debug)]
pub struct Work<T> {
    /// When it began, with the others.
    pub began: Instant,
    /// When it came to its end.
    pub ended: Instant,
    /// What it answered.
    pub answer: T,
}

/// Starts `threads` threads together, and tells them after that time, through the question they are given, that it is
/// over.
///
/// # Panics
///
/// If one of them does.
pub fn crowd<T: Send>(threads: usize, lasting: Duration, work: impl Fn(&dyn Fn() -> bool) -> T + Sync) -> Vec<Work<T>> {
    let (start, over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let one = || {
            start.wait();
            let began = Instant::now();
            let answer = work(&|| over.load(Ordering::Relaxed));
            Work {
                began,
                ended: Instant::now(),
                answer,
            }
        };
        let crowd: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        start.wait();
        // A round of a benchmark lasts this long by definition; nothing is asserted on it.
        thread::sleep(lasting);
        over.store(true, Ordering::Relaxed);
        crowd
            .into_iter()
            .map(|thread| thread.join().expect("a side of a benchmark does not panic"))
            .collect()
    })
}
