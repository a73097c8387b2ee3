//! The end of connections, one by one and all at once; the end of the pool.

use super::*;
use crate::clock::Ticks;
use crate::pool::held::{Held, dial};
use crate::pool::maintenance::{maintain, me};
use crate::pool::shared::Taken;

/// `count` idle connections, of which the first ones panic while they are closed.
fn idle(bench: &Bench, count: usize, panicking: usize) {
    let mut all: Vec<_> = (0..count).map(|_| bench.take()).collect();
    for one in &mut all[..panicking] {
        one.panic_on_close = true;
    }
    drop(all);
    bench.events();
}

#[test]
fn several_that_panic_while_all_are_closed() {
    let bench = Bench::sized(4, 0);
    idle(&bench, 4, 2);
    assert!(panics(|| bench.pool.dispose()), "and no abort");
    assert_eq!(bench.events(), ["Dispose", "Close", "Close", "Close", "Close"]);
    assert_eq!((bench.numbers(), bench.pool.closed()), ((4, 0, -4, 0), 4));
}

#[test]
fn several_that_panic_at_the_end_of_the_pool() {
    let bench = Bench::sized(4, 0);
    idle(&bench, 4, 2);
    let (db, events) = (Arc::clone(&bench.db), Arc::clone(&bench.events));
    assert!(panics(|| drop(bench)));
    assert_eq!(db.open.load(Ordering::SeqCst), 0);
    let closed = lock(&events).iter().filter(|event| event.starts_with("Close ")).count();
    assert_eq!(closed, 4);
}

#[test]
fn several_that_panic_while_maintenance_closes_them() {
    let bench = Bench::new(PoolOptions {
        idle_timeout: Some(secs(1)),
        ..PoolOptions::default()
    });
    idle(&bench, 4, 2);
    bench.clock.advance(secs(2));
    assert!(panics(|| bench.pool.maintain()));
    let closed = bench.events().iter().filter(|event| *event == "Close").count();
    assert_eq!((closed, bench.pool.closed()), (4, 4));
}

#[test]
fn several_that_panic_while_orphans_are_closed() {
    let bench = Bench::of(ThreadLocal, PoolOptions::default());
    let together = std::sync::Barrier::new(3);
    thread::scope(|scope| {
        let use_it = || {
            bench.pool.checkout().unwrap().panic_on_close = true;
            together.wait();
        };
        let threads = [scope.spawn(use_it), scope.spawn(use_it), scope.spawn(use_it)];
        // A scope's end does not wait for what the threads leave behind last.
        for thread in threads {
            thread.join().unwrap();
        }
    });
    bench.events();
    assert!(panics(|| bench.take()));
    let closed = bench.events().iter().filter(|event| *event == "Close").count();
    assert_eq!((closed, bench.pool.closed()), (3, 3));
    drop(bench.take());
}

#[test]
fn one_that_panics_while_it_is_closed_is_told() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.panic_on_close = true;
    bench.events();
    assert!(panics(|| held.invalidate("for a test")));
    assert_eq!(bench.events(), ["Invalidate", "Close"]);
}

/// The maintenance thread has the pool's insides, and not the pool.
#[test]
fn a_pool_that_ends_during_maintenance_makes_nothing_more() {
    let bench = Bench::new(PoolOptions {
        min_idle: 2,
        ..PoolOptions::default()
    });
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("connect", Act::Gate(reached, gate));
    let (shared, db) = (Arc::clone(bench.pool.shared()), Arc::clone(&bench.db));
    let maintenance = thread::spawn(move || maintain(&shared));
    at_gate.recv().unwrap();
    drop(bench.pool.clone());
    let Bench { events, .. } = &bench;
    let events = Arc::clone(events);
    drop(bench);
    open.send(()).unwrap();
    maintenance.join().unwrap();
    let told = lock(&events).len();
    assert_eq!(
        (db.made.load(Ordering::SeqCst), db.open.load(Ordering::SeqCst)),
        (1, 0),
        "after {told} events"
    );
}

/// A helper thread may begin after its caller, and the pool, have gone.
#[test]
fn what_is_made_after_the_end_of_the_pool_is_closed() {
    for in_memory in [false, true] {
        let db = Db {
            in_memory: AtomicBool::new(in_memory),
            ..Db::default()
        };
        let bench = Bench::on(db, Queue, PoolOptions::default());
        let (shared, db) = (Arc::clone(bench.pool.shared()), Arc::clone(&bench.db));
        let held = bench.take();
        drop(bench);
        held.invalidate("for a test");
        let who = me(Ticks::default());
        let Taken::Permit(permit) = shared.era().take(&who, &shared) else {
            panic!("there is room")
        };
        let made = dial(&shared, None).unwrap();
        let mut late = Held::of_nothing();
        late.connected(permit, made);
        late.give_back();
        assert_eq!(db.open.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn record_info_stays_with_the_place_when_the_connection_leaves() {
    let bench = Bench::sized(1, 0);
    for how in ["detach", "into_inner"] {
        let mut held = bench.take();
        held.record_info_mut().insert("of the place");
        held.info_mut().insert("of the connection");
        if how == "detach" {
            held.detach();
            assert_eq!(held.info().get(), Some(&"of the connection"));
            drop(held);
        } else {
            drop(held.into_inner());
        }
        let next = bench.take();
        assert_eq!(next.record_info().get(), Some(&"of the place"), "{how}");
        assert_eq!(next.info().get::<&str>(), None, "{how}");
        next.invalidate("so that the next one is new");
    }
}

#[test]
fn a_pool_for_nothing_times_out() {
    let bench = Bench::sized(0, 0);
    assert!(matches!(
        bench.pool.checkout_within(Duration::ZERO),
        Err(PoolError::Timeout { .. })
    ));
}
