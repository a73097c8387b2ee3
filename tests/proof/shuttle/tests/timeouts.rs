//! Giving up at the moment in which the turn comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aludel_under_shuttle::pool::PoolError;
use shuttle::thread;

use super::database::{Call, Database, Faults};
use super::explore::{assert_settled, explore, pool, together};
use super::loan::borrow_within;

const A_WHILE: Duration = Duration::from_secs(1);

fn scenario(faults: Faults, pool_size: usize, max_overflow: usize, threads: usize, timeout: Duration) {
    let database = Database::new(faults);
    let pool = pool(&database, pool_size, max_overflow);
    let answered = Arc::new(AtomicUsize::new(0));
    let one = |_| -> Box<dyn FnOnce() + Send> {
        let (pool, answered) = (pool.clone(), Arc::clone(&answered));
        Box::new(move || {
            for _ in 0..2 {
                match borrow_within(&pool, timeout) {
                    Ok(mut loan) => {
                        loan.begin();
                        thread::yield_now();
                    }
                    Err(PoolError::Timeout { .. } | PoolError::Connect(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                pool.assert_invariants();
                answered.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    together((0..threads).map(one).collect());
    assert_eq!(answered.load(Ordering::SeqCst), 2 * threads);
    assert_settled(pool, &database, pool_size + max_overflow);
}

#[test]
fn a_grant_that_comes_with_the_time_out_is_used_or_passed_on() {
    explore(|| scenario(Faults::default(), 1, 0, 4, A_WHILE));
}

#[test]
fn what_nobody_wants_any_more_is_not_kept_above_pool_size() {
    explore(|| scenario(Faults::default(), 1, 1, 4, A_WHILE));
}

#[test]
fn a_permit_that_comes_with_the_time_out_is_used_or_passed_on() {
    explore(|| scenario(Faults::in_calls(&[Call::Connect, Call::Reset]), 1, 1, 4, A_WHILE));
}

#[test]
fn who_was_told_of_a_connection_and_gives_up_tells_the_next() {
    // Less than the time after which what comes back is handed over, so that it is only told of.
    explore(|| scenario(Faults::default(), 1, 0, 5, Duration::from_micros(50)));
}

#[test]
fn with_no_time_at_all_nobody_waits() {
    explore(|| scenario(Faults::default(), 1, 0, 3, Duration::ZERO));
}
