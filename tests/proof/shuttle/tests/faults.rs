//! Callbacks that fail and panic, and borrowers that do.

use aludel_under_shuttle::pool::{Pool, PoolError, PoolOptions, PrePing};
use aludel_under_shuttle::sync::explored::{catch_unwind, panic};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::database::{Call, Connection, Database, Faults};
use super::explore::{assert_settled, explore, patient, pool_with, together};
use super::loan::borrow;

/// Three threads that borrow twice each, on a pool with one connection and one in overflow. What they get is an error of
/// the kind that the schedule chose, a panic of a callback's, or a connection that is fit.
fn scenario(faults: Faults, pre_ping: PrePing, borrower: fn(&Pool<Connection>) -> Result<(), PoolError>) {
    let database = Database::new(faults);
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
                match catch_unwind(|| borrower(&pool)) {
                    Ok(
                        Ok(()) | Err(PoolError::Connect(_) | PoolError::Refused(_) | PoolError::RefusedAgain { .. }),
                    ) => {}
                    Ok(Err(error)) => panic!("nobody wanted that: {error}"),
                    Err(payload) => assert!(payload.is::<&str>() && faults.panic(), "a panic of the pool's own"),
                }
            }
        })
    };
    together((0..3).map(one).collect());
    assert!(database.most() <= 2);
    assert_settled(pool, &database, 2);
}

fn clean(pool: &Pool<Connection>) -> Result<(), PoolError> {
    let _loan = borrow(pool)?;
    thread::yield_now();
    Ok(())
}

fn dirty(pool: &Pool<Connection>) -> Result<(), PoolError> {
    let mut loan = borrow(pool)?;
    loan.begin();
    thread::yield_now();
    Ok(())
}

fn careless(pool: &Pool<Connection>) -> Result<(), PoolError> {
    let mut loan = borrow(pool)?;
    match thread_rng().gen_range(0..4) {
        0 => loan.set_busy(true),
        1 => loan.begin(),
        _ => {}
    }
    if thread_rng().gen_bool(0.3) {
        panic("a borrower");
    }
    Ok(())
}

#[test]
fn connects_that_fail() {
    explore(|| scenario(Faults::in_calls(&[Call::Connect]), PrePing::Never, clean));
}

#[test]
fn connects_that_panic() {
    explore(|| scenario(Faults::in_calls(&[Call::Connect]).and_panics(), PrePing::Never, clean));
}

#[test]
fn resets_that_fail_and_panic() {
    explore(|| scenario(Faults::in_calls(&[Call::Reset]).and_panics(), PrePing::Never, dirty));
}

#[test]
fn hooks_that_refuse_and_panic() {
    explore(|| scenario(Faults::in_calls(&[Call::Hook]).and_panics(), PrePing::Never, clean));
}

#[test]
fn pings_that_fail_and_panic() {
    explore(|| scenario(Faults::in_calls(&[Call::Ping]).and_panics(), PrePing::Always, clean));
}

#[test]
fn everything_that_fails_and_panics_at_once() {
    explore(|| {
        let all = Faults::in_calls(&[Call::Connect, Call::Ping, Call::Reset, Call::Hook]);
        scenario(all.and_panics(), PrePing::Always, careless);
    });
}
