//! What a checkout costs beside r2d2, deadpool and a bare mutex, and how evenly waiting is shared out.
//!
//! Run by `tests/bench pool`.

mod contestants;
mod fairness;

use std::time::Duration;

use aludel::pool::{Pool, PoolOptions, PrePing};
use aludel_tests::figures::{alternate, comment, figure, nanoseconds_a_turn};

use contestants::{bare_mutex, deadpool, ours, ours_plain, r2d2};

/// Connections in every pool.
pub(crate) const CONNECTIONS: usize = 10;

/// More rounds steady the median, and make the run longer.
const ROUNDS: usize = 9;

/// How many threads take part, and how long a round lasts. 64 threads on two cores need many slices of the scheduler's
/// until each has had its share.
const CROWDS: [(usize, Duration); 4] = [
    (1, Duration::from_millis(50)),
    (2, Duration::from_millis(50)),
    (8, Duration::from_millis(100)),
    (64, Duration::from_millis(200)),
];

fn main() {
    // What cargo passes to a benchmark, and not when it builds benchmarks as tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("a benchmark: run it with tests/bench pool");
        return;
    }
    comment("nanoseconds are medians over the rounds; compare figures, which were taken within each round");
    checkout();
    checkout_full();
    fairness::measure();
}

/// Every setting as it comes, save the size.
pub(crate) fn default_options() -> PoolOptions {
    PoolOptions {
        pool_size: CONNECTIONS.into(),
        max_overflow: 0.into(),
        ..PoolOptions::default()
    }
}

fn checkout() {
    let (ours, plain) = (ours(default_options()), ours_plain(default_options()));
    let (r2d2, deadpool, mutex) = (r2d2(), deadpool(), bare_mutex());
    for (threads, lasting) in CROWDS {
        let rounds = alternate(
            ROUNDS,
            &mut [
                &mut || nanoseconds_a_turn(threads, lasting, || turn(&ours)),
                &mut || nanoseconds_a_turn(threads, lasting, || turn(&plain)),
                &mut || nanoseconds_a_turn(threads, lasting, || contestants::r2d2_turn(&r2d2)),
                &mut || nanoseconds_a_turn(threads, lasting, || contestants::deadpool_turn(&deadpool)),
                &mut || nanoseconds_a_turn(threads, lasting, || contestants::mutex_turn(&mutex)),
            ],
        );
        let [ours, plain, r2d2, deadpool, mutex] = [0, 1, 2, 3, 4];
        let name = format!("pool.checkout.t{threads}");
        figure(&format!("{name}.speedup_over_r2d2"), rounds.ratio(r2d2, ours));
        figure(&format!("{name}.speedup_over_deadpool"), rounds.ratio(deadpool, ours));
        figure(&format!("{name}.cost_over_mutex"), rounds.ratio(ours, mutex));
        let plain_name = format!("pool.checkout_plain.t{threads}");
        figure(&format!("{plain_name}.speedup_over_r2d2"), rounds.ratio(r2d2, plain));
        let nanoseconds = |side| format!("{:.1} ns", rounds.of(side));
        comment(format!(
            "{name}: ours behind an r2d2 manager {}, behind a connector of its own {}, r2d2 {}, deadpool {}, bare mutex {}",
            nanoseconds(ours),
            nanoseconds(plain),
            nanoseconds(r2d2),
            nanoseconds(deadpool),
            nanoseconds(mutex),
        ));
    }
}

/// The same with every watch on that needs the time of day; none of them comes due.
fn checkout_full() {
    let hour = Duration::from_hours(1);
    let ours = ours(PoolOptions {
        pool_recycle: Some(hour),
        pre_ping: PrePing::IdleFor(hour),
        leak_detection_threshold: Some(hour),
        ..default_options()
    });
    let r2d2 = r2d2();
    for (threads, lasting) in CROWDS {
        let rounds = alternate(
            ROUNDS,
            &mut [
                &mut || nanoseconds_a_turn(threads, lasting, || turn(&ours)),
                &mut || nanoseconds_a_turn(threads, lasting, || contestants::r2d2_turn(&r2d2)),
            ],
        );
        let name = format!("pool.checkout_full.t{threads}");
        figure(&format!("{name}.speedup_over_r2d2"), rounds.ratio(1, 0));
        comment(format!(
            "{name}: ours {:.1} ns, r2d2 {:.1} ns",
            rounds.of(0),
            rounds.of(1)
        ));
    }
}

/// One checkout and its return.
fn turn(pool: &Pool<u64>) {
    let connection = pool.checkout().expect("no checkout waits for 30 s here");
    std::hint::black_box(*connection);
}
