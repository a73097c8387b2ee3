//! The hand-off of connections and permits under every schedule there is, or nearly every one.
//!
//! Loom tries them all, in the memory model of the language; so the models are as small as they can be: two or three
//! threads and a connection. What needs more threads, or dice, is explored with shuttle.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aludel_under_loom::clock::{Clock, TestClock};
use aludel_under_loom::event::Listeners;
use aludel_under_loom::pool::{BoxError, Connecting, Connector, Pool, PoolError, PoolOptions, Raw, ResetOnReturn};
use loom::sync::atomic::AtomicBool;
use loom::thread;

/// A schedule with more steps than this runs in circles.
const STEPS: usize = 10_000;

fn every_schedule(model: fn()) {
    explore(None, model);
}

/// Every one with up to that many preemptions at places where nobody has to wait, and one more in a long run. Each costs a
/// factor of three to ten.
fn schedules_with(preemptions: usize, model: fn()) {
    let long = usize::from(std::env::var_os("ALUDEL_TEST_LONG").is_some());
    explore(Some(preemptions + long), model);
}

fn explore(preemptions: Option<usize>, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = STEPS;
    let schedules = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&schedules);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} schedules", schedules.load(Ordering::Relaxed));
}

/// Makes connections that know when they are in two hands.
struct Database;

struct Connection {
    lent: AtomicBool,
}

impl Connector<Connection> for Database {
    fn connect(&self, _: &Connecting) -> Result<Raw<Connection>, BoxError> {
        let lent = AtomicBool::new(false);
        Ok(Raw::from(Connection { lent }))
    }

    fn ping(&self, _: &mut Connection) -> Result<(), BoxError> {
        Ok(())
    }

    fn may_block(&self) -> bool {
        false
    }

    fn looks_at_checkouts(&self) -> bool {
        false
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }

    fn reset(&self, _: &mut Connection, _: ResetOnReturn) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A pool with one connection.
fn pool() -> (Pool<Connection>, TestClock) {
    pool_of(1)
}

fn pool_of(pool_size: usize) -> (Pool<Connection>, TestClock) {
    let (clock, test) = Clock::test();
    let options = PoolOptions {
        pool_size: pool_size.into(),
        max_overflow: 0.into(),
        pool_timeout: Duration::MAX,
        ..PoolOptions::default()
    };
    (Pool::new(Database, options, clock, Listeners::default()), test)
}

/// Borrows, looks whether somebody else has it, and gives it back.
fn borrow(pool: &Pool<Connection>) {
    let checkout = pool.checkout().expect("everybody has a turn");
    assert!(
        !checkout.lent.swap(true, Ordering::Relaxed),
        "a connection is in two hands"
    );
    checkout.lent.store(false, Ordering::Relaxed);
}

fn assert_settled(pool: &Pool<Connection>) {
    pool.assert_invariants();
    let status = pool.status();
    assert_eq!(
        (status.checked_out, status.waiting),
        (0, 0),
        "somebody still has or wants one"
    );
    drop(pool.checkout_within(Duration::ZERO).expect("the slot can be used"));
}

#[test]
fn two_share_one() {
    schedules_with(4, || {
        let (pool, _) = pool();
        let other = pool.clone();
        let thread = thread::spawn(move || borrow(&other));
        borrow(&pool);
        thread.join().expect("it has its turn");
        assert_eq!(pool.opened(), 1);
        assert_settled(&pool);
    });
}

#[test]
fn three_share_one() {
    schedules_with(3, || {
        let (pool, _) = pool();
        let (second, third) = (pool.clone(), pool.clone());
        let threads = [
            thread::spawn(move || borrow(&second)),
            thread::spawn(move || borrow(&third)),
        ];
        borrow(&pool);
        for thread in threads {
            thread.join().expect("it has its turn");
        }
        assert_eq!(pool.opened(), 1);
        assert_settled(&pool);
    });
}

#[test]
fn who_has_waited_is_handed_what_comes_back() {
    every_schedule(|| {
        let (pool, clock) = pool();
        let held = pool.checkout().expect("it has room");
        let other = pool.clone();
        let waiter = thread::spawn(move || borrow(&other));
        clock.advance(Duration::from_millis(1)); // longer than anybody may be overtaken
        drop(held);
        waiter.join().expect("it has its turn");
        assert_eq!(pool.opened(), 1);
        assert_settled(&pool);
    });
}

#[test]
fn who_waits_finds_what_comes_back_elsewhere() {
    every_schedule(|| {
        let (pool, _) = pool_of(2); // two shards
        let [first, second] = [(); 2].map(|()| pool.checkout().expect("it has room"));
        let other = pool.clone();
        let returning = thread::spawn(move || drop(first));
        let waiter = thread::spawn(move || borrow(&other));
        returning.join().expect("a return does not wait");
        waiter.join().expect("it has its turn");
        drop(second);
        assert_settled(&pool);
    });
}

#[test]
fn a_permit_goes_to_the_one_who_waits() {
    every_schedule(|| {
        let (pool, _) = pool();
        let held = pool.checkout().expect("it has room");
        let other = pool.clone();
        let thread = thread::spawn(move || borrow(&other));
        held.invalidate("a model");
        thread.join().expect("it makes a new one");
        assert_eq!((pool.opened(), pool.closed()), (2, 1));
        assert_settled(&pool);
    });
}

#[test]
fn a_detached_ones_permit_goes_to_the_one_who_waits() {
    every_schedule(|| {
        let (pool, _) = pool();
        let mut held = pool.checkout().expect("it has room");
        let other = pool.clone();
        let thread = thread::spawn(move || borrow(&other));
        held.detach();
        thread.join().expect("it makes a new one");
        assert_settled(&pool);
    });
}

#[test]
fn a_time_out_meets_a_return() {
    schedules_with(4, || {
        let (pool, clock) = pool();
        let held = pool.checkout().expect("it has room");
        let other = pool.clone();
        let waiter = thread::spawn(move || match other.checkout_within(Duration::from_secs(1)) {
            Ok(checkout) => drop(checkout),
            Err(error) => assert!(matches!(error, PoolError::Timeout { .. }), "{error}"),
        });
        let time = thread::spawn(move || clock.advance(Duration::from_secs(1)));
        drop(held);
        waiter.join().expect("either will do");
        time.join().expect("time passes");
        assert_settled(&pool);
    });
}

#[test]
fn nobody_who_asks_after_a_retirement_gets_an_old_one() {
    every_schedule(|| {
        let (pool, _) = pool();
        let held = pool.checkout().expect("it has room");
        let other = pool.clone();
        let retiring = thread::spawn(move || {
            assert!(other.retire(0, "a model"));
            let checkout = other.checkout().expect("its turn comes");
            assert_eq!(checkout.generation(), 1);
        });
        drop(held);
        retiring.join().expect("it has its turn");
        assert_settled(&pool);
    });
}

#[test]
fn dispose_meets_a_return_and_a_checkout() {
    schedules_with(4, || {
        let (pool, _) = pool();
        let held = pool.checkout().expect("it has room");
        let (second, third) = (pool.clone(), pool.clone());
        let threads = [
            thread::spawn(move || second.dispose()),
            thread::spawn(move || borrow(&third)),
        ];
        drop(held);
        for thread in threads {
            thread.join().expect("it comes to its end");
        }
        assert_settled(&pool);
    });
}
