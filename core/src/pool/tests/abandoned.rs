//! `abandon`, at any moment: nothing of the old era is touched, and the new one counts its own.

use super::*;

#[test]
fn while_a_connection_is_made() {
    let bench = Bench::sized(1, 0);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("connect", Act::Gate(reached, gate));
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        at_gate.recv().unwrap();
        bench.pool.abandon();
        open.send(()).unwrap();
        drop(caller.join().unwrap().unwrap());
    });
    bench.pool.assert_invariants();
    drop(bench.take());
    assert_eq!((bench.pool.opened(), bench.pool.checkedin()), (1, 1));
}

#[test]
fn while_a_connection_is_pinged_that_is_dead() {
    let bench = Bench::new(PoolOptions {
        pool_size: 1.into(),
        max_overflow: 0.into(),
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    drop(bench.take());
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("ping", Act::Gate(reached, gate));
    bench.db.next("late", Act::Fail);
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        at_gate.recv().unwrap();
        bench.pool.abandon();
        open.send(()).unwrap();
        let held = caller.join().unwrap().unwrap();
        assert_eq!(held.number, 2, "one of the new era");
        bench.pool.assert_invariants();
        assert_eq!(bench.pool.checkedout(), 1);
    });
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 2, "the old one is left alone");
}

#[test]
fn while_somebody_waits() {
    let bench = Bench::sized(1, 0);
    let held = bench.take();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| bench.pool.checkout());
        bench.until_waiting(1);
        bench.pool.abandon();
        // On a clock that stands still it would wait for ever.
        assert_eq!(waiter.join().unwrap().unwrap().number, 2);
    });
    drop(held);
    bench.pool.assert_invariants();
    assert_eq!(bench.numbers(), (1, 1, 0, 0));
}

#[test]
fn while_a_connection_is_on_its_way_back() {
    let bench = Bench::sized(1, 0);
    let held = bench.take();
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next("reset", Act::Gate(reached, gate));
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut held = held;
            held.set_dirty(true);
            drop(held);
        });
        at_gate.recv().unwrap();
        bench.pool.abandon();
        open.send(()).unwrap();
    });
    bench.pool.assert_invariants();
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 1, "it is left alone");
}
