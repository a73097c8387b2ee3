//! Many schedules of one scenario, and the question that each ends with.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use aludel_under_shuttle::event::Listeners;
use aludel_under_shuttle::pool::{Pool, PoolOptions};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{Config, MaxSteps, Runner, thread};

use super::database::{Connection, Database};
use super::loan::borrow;

/// Schedules a scenario that follow no plan. More find more; a scenario takes about a second.
const RANDOM: usize = 700;
/// Schedules a scenario with few preemptions at the worst places, which is where most mistakes show.
const PLANNED: usize = 500;
/// How many of the worst places: one more costs a factor in schedules.
const PREEMPTIONS: usize = 3;
/// How much more there is in a long run, which is also another one each time.
const LONG: usize = 30;

/// Runs the scenario under every schedule of a run, or under the one that `ALUDEL_SCHEDULE` names.
pub(crate) fn explore(scenario: fn()) {
    if let Ok(schedule) = std::env::var("ALUDEL_SCHEDULE") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config()).run(scenario);
        return;
    }
    let (factor, seed) = if std::env::var_os("ALUDEL_TEST_LONG").is_some() {
        (LONG, RandomState::new().build_hasher().finish())
    } else {
        (1, 0xA1_0DE1)
    };
    println!("seed {seed}");
    Runner::new(RandomScheduler::new_from_seed(seed, RANDOM * factor), config()).run(scenario);
    Runner::new(
        PctScheduler::new_from_seed(seed, PREEMPTIONS, PLANNED * factor),
        config(),
    )
    .run(scenario);
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 256 * 1024; // the default is too little for a debug build that formats an error
    config.max_steps = MaxSteps::FailAfter(50_000); // far more than any scenario has: it runs in circles
    config
}

/// A pool of that size whose callers wait for ever.
pub(crate) fn pool(database: &Database, pool_size: usize, max_overflow: usize) -> Pool<Connection> {
    pool_with(
        database,
        PoolOptions {
            pool_size: pool_size.into(),
            max_overflow: max_overflow.into(),
            ..patient()
        },
    )
}

pub(crate) fn pool_with(database: &Database, options: PoolOptions) -> Pool<Connection> {
    Pool::new(
        database.clone(),
        options,
        database.clock().clock(),
        Listeners::default(),
    )
}

/// Every setting as it comes, save that nobody gives up waiting.
pub(crate) fn patient() -> PoolOptions {
    PoolOptions {
        pool_timeout: std::time::Duration::MAX,
        ..PoolOptions::default()
    }
}

/// Runs all of these at once, and waits for them.
pub(crate) fn together(threads: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = threads.into_iter().map(|call| thread::spawn(call)).collect();
    for thread in threads {
        thread.join().expect("a thread's panics are its own business");
    }
}

/// What must be true once everybody has gone: every slot is back, and can be used; with the pool the last connection goes.
pub(crate) fn assert_settled(pool: Pool<Connection>, database: &Database, limit: usize) {
    database.heal();
    pool.assert_invariants();
    let status = pool.status();
    assert_eq!(
        (status.checked_out, status.waiting),
        (0, 0),
        "somebody still has or wants one"
    );
    let all: Vec<_> = (0..limit)
        .map(|_| borrow(&pool).expect("every slot can be used"))
        .collect();
    pool.assert_invariants();
    drop(all);
    pool.assert_invariants();
    assert_eq!(database.open(), pool.checkedin(), "what is open is idle");
    drop(pool);
    assert_eq!(database.open(), 0, "the pool has closed what it had");
}
