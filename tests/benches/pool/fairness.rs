//! How long each of many waits: 64 threads on ten connections, each held for a millisecond.

use std::thread;
use std::time::{Duration, Instant};

use aludel_tests::figures::{alternate, comment, crowd, figure, median};

use super::contestants::{ours, r2d2};
use super::default_options;

const THREADS: usize = 64;
const HELD: Duration = Duration::from_millis(1);
const ROUNDS: usize = 5;
/// Five rounds of this make ten seconds a side.
const LASTING: Duration = Duration::from_secs(2);
/// Everybody comes at once in the beginning, and some find a connection without waiting: not counted.
const WARM_UP: Duration = Duration::from_millis(200);

pub(crate) fn measure() {
    let (ours, r2d2) = (ours(default_options()), r2d2());
    let (mut of_ours, mut of_r2d2) = (Vec::new(), Vec::new());
    alternate(
        ROUNDS,
        &mut [
            &mut || {
                of_ours.push(Waits::of(|| ours.checkout().expect("everybody has a turn in 30 s")));
                0.0
            },
            &mut || {
                of_r2d2.push(Waits::of(|| r2d2.get().expect("everybody has a turn in 30 s")));
                0.0
            },
        ],
    );
    report("pool.fairness", "ours", &of_ours);
    report("pool.fairness_of_r2d2", "r2d2", &of_r2d2);
}

fn report(figures: &str, who: &str, rounds: &[Waits]) {
    let over_rounds = |value: fn(&Waits) -> f64| median(rounds.iter().map(value).collect());
    figure(
        &format!("{figures}.p99_over_p50"),
        over_rounds(|waits| waits.p99 / waits.p50),
    );
    figure(
        &format!("{figures}.max_over_p50"),
        over_rounds(|waits| waits.max / waits.p50),
    );
    figure(
        &format!("{figures}.fewest_over_most_checkouts"),
        over_rounds(|waits| waits.fewest / waits.most),
    );
    comment(format!(
        "fairness of {who}: waits p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; checkouts a thread {} to {}",
        over_rounds(|waits| waits.p50),
        over_rounds(|waits| waits.p99),
        over_rounds(|waits| waits.max),
        over_rounds(|waits| waits.fewest),
        over_rounds(|waits| waits.most),
    ));
}

/// One round, in milliseconds and in checkouts a thread.
struct Waits {
    p50: f64,
    p99: f64,
    max: f64,
    fewest: f64,
    most: f64,
}

impl Waits {
    #[expect(clippy::cast_precision_loss, reason = "a thread has a few hundred checkouts")]
    fn of<T>(checkout: impl Fn() -> T + Sync) -> Self {
        let crowd = crowd(THREADS, WARM_UP + LASTING, |over| {
            let began = Instant::now();
            let mut waits = Vec::new();
            while !over() {
                let asked = Instant::now();
                let held = checkout();
                let waited = asked.elapsed();
                // What P2 measures is defined so: every holder works for exactly this long.
                thread::sleep(HELD);
                drop(held);
                if asked - began >= WARM_UP {
                    waits.push(waited.as_secs_f64() * 1e3);
                }
            }
            waits
        });
        let counts: Vec<_> = crowd.iter().map(|thread| thread.answer.len() as f64).collect();
        let mut waits: Vec<_> = crowd.into_iter().flat_map(|thread| thread.answer).collect();
        waits.sort_by(f64::total_cmp);
        let percentile = |percent: usize| waits[(waits.len() - 1) * percent / 100];
        Self {
            p50: percentile(50),
            p99: percentile(99),
            max: percentile(100),
            fewest: counts.iter().copied().fold(f64::INFINITY, f64::min),
            most: counts.iter().copied().fold(0.0, f64::max),
        }
    }
}
