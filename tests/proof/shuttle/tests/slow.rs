//! Servers that are given up on: a helper thread is left with the call, and comes back with what it got.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aludel_under_shuttle::pool::{PoolError, PoolOptions, PrePing};
use aludel_under_shuttle::sync::explored::catch_unwind;
use shuttle::thread;

use super::database::{Call, Database, Faults};
use super::explore::{assert_settled, explore, patient, pool_with, together};
use super::loan::borrow_within;

/// Three threads that give up after a while, on a pool with one connection and one in overflow. Counts the calls that were
/// left behind.
fn scenario(faults: Faults, pre_ping: PrePing, left: &'static AtomicUsize) {
    let database = Database::slow(faults);
    let pool = pool_with(
        &database,
        PoolOptions {
            pool_size: 1.into(),
            max_overflow: 1.into(),
            pre_ping,
            ..patient()
        },
    );
    let one = |_| -> Box<dyn FnOnce() + Send> {
        let pool = pool.clone();
        Box::new(move || {
            for _ in 0..2 {
                match catch_unwind(|| borrow_within(&pool, Duration::from_secs(1))) {
                    Ok(Ok(mut loan)) => {
                        loan.begin();
                        thread::yield_now();
                    }
                    Ok(Err(PoolError::Unresponsive { .. })) => {
                        left.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(Err(PoolError::Timeout { .. } | PoolError::Connect(_))) => {}
                    Ok(Err(error)) => panic!("{error}"),
                    Err(payload) => assert!(payload.is::<&str>() && faults.panic(), "a panic of the pool's own"),
                }
                pool.assert_invariants();
            }
        })
    };
    together((0..3).map(one).collect());
    // Whoever was left behind comes back by itself, or this runs in circles.
    while pool.checkedout() > 0 {
        thread::yield_now();
    }
    assert!(database.most() <= 2);
    assert_settled(pool, &database, 2);
}

#[test]
fn a_connect_that_comes_too_late_finds_its_place_again() {
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    explore(|| scenario(Faults::in_calls(&[Call::Connect]), PrePing::Never, &LEFT));
    assert!(LEFT.load(Ordering::Relaxed) > 0, "nobody gave up");
}

#[test]
fn a_ping_that_comes_too_late_finds_its_place_again() {
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    explore(|| scenario(Faults::in_calls(&[Call::Ping]), PrePing::Always, &LEFT));
    assert!(LEFT.load(Ordering::Relaxed) > 0, "nobody gave up");
}

#[test]
fn a_helper_that_panics_takes_nothing_with_it() {
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    explore(|| {
        let faults = Faults::in_calls(&[Call::Connect, Call::Ping]).and_panics();
        scenario(faults, PrePing::Always, &LEFT);
    });
    assert!(LEFT.load(Ordering::Relaxed) > 0, "nobody gave up");
}
