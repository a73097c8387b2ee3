//! Several threads: order, limits, and nothing lost.

use std::sync::Barrier;

use super::*;
use crate::pool::acquire::Waiting;
use crate::pool::shared::{PATIENCE, Taken};

/// Starts a thread that checks out and tells what it got; returns when it waits as number `place` of the queue.
fn waiter<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    bench: &'scope Bench,
    place: usize,
    got: &mpsc::Sender<(usize, Result<Checkout<Conn>, PoolError>)>,
) {
    let got = got.clone();
    scope.spawn(move || got.send((place, bench.pool.checkout())).unwrap());
    bench.until_waiting(place);
}

#[test]
fn timeout() {
    let bench = Bench::new(PoolOptions {
        pool_size: 1.into(),
        max_overflow: 0.into(),
        pool_timeout: Duration::from_millis(2500),
        ..PoolOptions::default()
    });
    let _held = bench.take();
    thread::scope(|scope| {
        let (send, got) = mpsc::channel();
        waiter(scope, &bench, 1, &send);
        bench.clock.advance(Duration::from_millis(2499));
        assert_eq!(bench.pool.status().waiting, 1);
        bench.clock.advance(Duration::from_millis(1));
        let Err(PoolError::Timeout { timeout, waited, .. }) = got.recv().unwrap().1 else {
            panic!("timed out")
        };
        assert_eq!(
            (timeout, waited),
            (Duration::from_millis(2500), Duration::from_millis(2500))
        );
    });
    assert_eq!(bench.pool.status().waiting, 0);
    assert!(bench.events().contains(&"PoolTimeout".to_owned()));
}

#[test]
fn timeout_names_the_holders() {
    let bench = Bench::sized(2, 0);
    let (first, line) = (bench.take(), line!());
    bench.clock.advance(secs(90));
    let second = thread::scope(|scope| {
        let builder = thread::Builder::new().name("reporter".into());
        builder.spawn_scoped(scope, || bench.take()).unwrap().join().unwrap()
    });
    bench.clock.advance(secs(5));
    let error = bench.pool.checkout_within(Duration::ZERO).unwrap_err();
    let text = error.to_string();
    let start = "QueuePool limit of size 2 overflow 0 reached, connection timed out, timeout 0.00; held: connection 1";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains(&format!("concurrent.rs:{line}:")), "{text}");
    assert!(text.contains(" 95.0 s ago by thread "), "{text}");
    assert!(text.ends_with(" 5.0 s ago by thread reporter"), "{text}");
    let PoolError::Timeout { holders, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        holders.iter().map(|holder| holder.connection).collect::<Vec<_>>(),
        [Some(first.id()), Some(second.id())]
    );
}

#[test]
fn the_timeout_text_is_sqlalchemys() {
    let (waited, timeout) = (secs(30), secs(30));
    let error = PoolError::Timeout {
        kind: "QueuePool",
        size: 5,
        overflow: 10,
        timeout,
        waited,
        holders: Vec::new(),
    };
    let text = "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00";
    assert_eq!(error.to_string(), text);
}

/// 40 threads, each with 50 checkouts.
fn crowd(bench: &Bench, most: i64) {
    let start = Barrier::new(40);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                start.wait();
                for round in 0..50 {
                    let mut held = bench.pool.checkout().unwrap();
                    held.set_dirty(round % 5 == 0);
                    held.broken = round % 7 == 0;
                    if round % 3 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    bench.pool.assert_invariants();
    assert!(bench.db.most.load(Ordering::SeqCst) <= most);
    assert_eq!(bench.pool.checkedout(), 0);
    bench.pool.dispose();
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 0, "all closed at the end");
}

#[test]
fn no_overflow() {
    crowd(&Bench::sized(5, 0), 5);
}

#[test]
fn max_overflow() {
    crowd(&Bench::sized(5, 5), 10);
}

#[test]
fn a_crowd_with_retirements_and_disposals() {
    let bench = Bench::sized(3, 2);
    let start = Barrier::new(12);
    thread::scope(|scope| {
        for number in 0..12 {
            let (bench, start) = (&bench, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..100 {
                    match bench.pool.checkout() {
                        Err(error) => panic!("{error}"),
                        Ok(held) if round % 11 == number => held.invalidate("test"),
                        Ok(mut held) if round % 13 == number => held.detach(),
                        Ok(held) if round % 17 == number => drop(bench.pool.retire(held.generation(), "test")),
                        Ok(held) => drop(held),
                    }
                    if round == 50 && number == 0 {
                        bench.pool.dispose();
                    }
                    bench.pool.assert_invariants();
                }
            });
        }
    });
    assert_eq!(bench.pool.checkedout(), 0);
}

#[test]
fn waiters_are_served_in_order_and_nobody_overtakes() {
    let bench = Bench::sized(1, 0);
    let held = bench.take();
    thread::scope(|scope| {
        let (send, got) = mpsc::channel();
        for place in 1..=5 {
            waiter(scope, &bench, place, &send);
        }
        let mut held = Some(held);
        bench.clock.advance(PATIENCE);
        for place in 1..=5 {
            drop(held.take());
            assert!(
                bench.pool.checkout_within(Duration::ZERO).is_err(),
                "a newcomer does not overtake"
            );
            let (served, checkout) = got.recv().unwrap();
            assert_eq!(served, place);
            held = Some(checkout.unwrap());
        }
    });
    assert_eq!(bench.db.heard(), ["connect 1"]);
}

#[test]
fn a_closed_connection_passes_its_permit_on() {
    for end in [
        |held: Checkout<Conn>| held.invalidate("test"),
        |mut held: Checkout<Conn>| held.detach(),
    ] {
        let bench = Bench::sized(1, 0);
        let held = bench.take();
        thread::scope(|scope| {
            let (send, got) = mpsc::channel();
            waiter(scope, &bench, 1, &send);
            end(held);
            assert_eq!(got.recv().unwrap().1.unwrap().number, 2);
        });
    }
}

#[test]
fn a_failed_connect_passes_its_permit_on() {
    for act in [Act::Fail, Act::Panic] {
        let bench = Bench::sized(1, 0);
        let (reached, at_gate) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        bench.db.next("connect", Act::Gate(reached, gate));
        let panicked = matches!(act, Act::Panic);
        bench.db.next("hook", act);
        thread::scope(|scope| {
            let first = scope.spawn(|| bench.pool.checkout().map(drop));
            at_gate.recv().unwrap();
            assert_eq!(bench.pool.holders()[0].connection, None, "being made");
            let (send, got) = mpsc::channel();
            waiter(scope, &bench, 1, &send);
            open.send(()).unwrap();
            assert_eq!(first.join().is_err(), panicked);
            assert_eq!(got.recv().unwrap().1.unwrap().number, 2);
        });
    }
}

#[test]
fn connecting_holds_no_lock() {
    let bench = Bench::sized(2, 0);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("connect", Act::Gate(reached, gate));
    thread::scope(|scope| {
        let slow = scope.spawn(|| bench.take().number);
        at_gate.recv().unwrap();
        assert_eq!(bench.take().number, 1, "another one connects meanwhile");
        open.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 2);
    });
}

#[test]
fn a_connection_retired_while_it_connects_is_closed_on_return() {
    let bench = Bench::sized(1, 0);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("connect", Act::Gate(reached, gate));
    thread::scope(|scope| {
        let slow = scope.spawn(|| bench.take().generation());
        at_gate.recv().unwrap();
        assert!(bench.pool.retire(0, "gone away"));
        open.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 0);
    });
    assert_eq!((bench.pool.checkedin(), bench.pool.closed()), (0, 1));
}

#[test]
fn one_that_gives_up_leaves_the_others_in_order() {
    let bench = Bench::sized(1, 0);
    let held = bench.take();
    thread::scope(|scope| {
        let (send, got) = mpsc::channel();
        let impatient = scope.spawn(|| bench.pool.checkout_within(secs(1)).map(drop));
        bench.until_waiting(1);
        waiter(scope, &bench, 2, &send);
        bench.clock.advance(secs(1));
        assert!(matches!(impatient.join().unwrap(), Err(PoolError::Timeout { .. })));
        drop(held);
        assert!(got.recv().unwrap().1.is_ok());
    });
}

#[test]
fn a_waiter_is_woken() {
    let options = PoolOptions {
        pool_size: 1.into(),
        max_overflow: 0.into(),
        pool_timeout: Duration::MAX,
        ..PoolOptions::default()
    };
    let pool = Pool::new(Fake(Arc::default()), options, Clock::system(), Listeners::default());
    for end in [drop, |held: Checkout<Conn>| held.invalidate("test")] {
        let held = pool.checkout().unwrap();
        let (send, got) = mpsc::channel();
        let waiting = pool.clone();
        // Not a scoped thread: one that is never woken would hang the test instead of failing it.
        thread::spawn(move || send.send(waiting.checkout().map(drop)));
        while pool.status().waiting == 0 {
            thread::yield_now();
        }
        end(held);
        got.recv_timeout(secs(20)).expect("woken").unwrap();
    }
    pool.assert_invariants();
}

#[test]
fn a_waiter_that_panics_passes_its_grant_on() {
    let bench = Bench::sized(1, 0);
    for end in [drop, |held: Checkout<Conn>| held.invalidate("test")] {
        let held = bench.take();
        let who = Who {
            place: Place::of(Location::caller()),
            since: bench.pool.clock().ticks(),
            thread: thread_number(),
        };
        let shared = bench.pool.shared();
        let taken = shared.era().take(&who, shared);
        let Taken::Wait(waiter) = taken else {
            panic!("the only connection is taken")
        };
        let waiting = Waiting {
            shared,
            waiter: Some(waiter),
        };
        bench.clock.advance(PATIENCE);
        assert!(panics(|| {
            let _waiting = waiting;
            end(held);
            assert_eq!(bench.pool.checkedout(), 1, "granted");
            panic!("before it could use it");
        }));
        assert_eq!(bench.pool.status().waiting, 0);
        bench.pool.assert_invariants();
        drop(bench.take());
    }
}

#[test]
fn grants_that_meet_a_timeout_are_not_lost() {
    let (db, clock) = (Arc::new(Db::default()), Clock::system());
    let options = PoolOptions {
        pool_size: 2.into(),
        max_overflow: 0.into(),
        ..PoolOptions::default()
    };
    let pool = Pool::new(Fake(Arc::clone(&db)), options, clock, Listeners::default());
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let (pool, start) = (&pool, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..300 {
                    if let Ok(mut held) = pool.checkout_within(Duration::from_micros(number * 7 + round % 50)) {
                        held.broken = round % 10 == 0;
                        thread::yield_now();
                    }
                    pool.assert_invariants();
                }
            });
        }
    });
    assert_eq!((pool.checkedout(), pool.status().waiting), (0, 0));
    assert!(db.most.load(Ordering::SeqCst) <= 2);
}

#[test]
fn listeners_run_without_the_lock() {
    let asked = Arc::new(Mutex::new(None::<Pool<Conn>>));
    let shared = Arc::clone(&asked);
    let listener = move |_: &Event<'_>| {
        if let Some(pool) = &*lock(&shared) {
            pool.assert_invariants();
        }
    };
    let listeners = Listeners::new(vec![Box::new(listener)]);
    let db = Arc::new(Db::default());
    let pool = Pool::new(Fake(db), PoolOptions::default(), Clock::system(), listeners);
    *lock(&asked) = Some(pool.clone());
    let mut held = pool.checkout().unwrap();
    held.set_dirty(true);
    drop(held);
    pool.checkout().unwrap().invalidate("test");
    drop(pool.checkout().unwrap());
    pool.retire(0, "test");
    pool.dispose();
    let last = lock(&asked).take();
    drop(last);
}
