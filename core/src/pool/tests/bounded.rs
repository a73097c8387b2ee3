//! A server that does not answer: `pool_timeout` bounds connecting and pinging, too.

use super::*;
use crate::event::Step;

fn remote(pool_size: usize, pre_ping: PrePing) -> Bench {
    let mut bench = Bench::new(PoolOptions {
        pool_size: pool_size.into(),
        max_overflow: 0.into(),
        pool_timeout: secs(3),
        pre_ping,
        ..PoolOptions::default()
    });
    bench.db.remote.store(true, Ordering::SeqCst);
    // A pool asks once, when it is made.
    bench.pool = bench.pool.recreate();
    bench.events();
    bench
}

/// The next call of a kind reaches the server and gets no answer until the sender is used.
fn silence(bench: &Bench, call: &'static str) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    bench.db.next(call, Act::Gate(reached, gate));
    (at_gate, open)
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

#[test]
fn a_connect_without_an_answer_is_left_behind_and_comes_home() {
    let bench = remote(1, PrePing::Never);
    let (at_gate, answer) = silence(&bench, "connect");
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        at_gate.recv().unwrap();
        bench.clock.advance(secs(3));
        let error = caller.join().unwrap().unwrap_err();
        assert!(
            matches!(error, PoolError::Unresponsive { step: Step::Connect, timeout } if timeout == secs(3)),
            "{error}"
        );
        assert!(
            error.to_string().contains("did not answer a connect within 3.00 s"),
            "{error}"
        );
    });
    assert_eq!(bench.numbers(), (1, 0, 0, 1), "it counts against the limit");
    bench.pool.assert_invariants();
    let error = bench.pool.checkout_within(Duration::ZERO).unwrap_err();
    assert!(
        error.to_string().ends_with("left behind waiting for the server"),
        "{error}"
    );

    answer.send(()).unwrap();
    until(|| bench.pool.checkedin() == 1);
    assert_eq!(bench.take().number, 1, "the connection that came too late is used");
    let events = bench.events();
    assert!(
        events.contains(&"LeftBehind".to_owned()) && events.contains(&"CaughtUp".to_owned()),
        "{events:?}"
    );
}

#[test]
fn a_connect_that_fails_too_late_frees_its_slot() {
    let bench = remote(1, PrePing::Never);
    let (at_gate, answer) = silence(&bench, "connect");
    bench.db.next("late", Act::Fail);
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        at_gate.recv().unwrap();
        bench.clock.advance(secs(3));
        assert!(caller.join().unwrap().is_err());
    });
    answer.send(()).unwrap();
    until(|| bench.pool.checkedout() == 0);
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    drop(bench.take());
}

#[test]
fn a_ping_without_an_answer_is_left_behind_and_comes_home() {
    for alive in [true, false] {
        let bench = remote(2, PrePing::Always);
        drop(bench.take());
        let (at_gate, answer) = silence(&bench, "ping");
        if !alive {
            bench.db.next("late", Act::Fail);
        }
        thread::scope(|scope| {
            let caller = scope.spawn(|| bench.pool.checkout());
            at_gate.recv().unwrap();
            bench.clock.advance(secs(3));
            let error = caller.join().unwrap().unwrap_err();
            assert!(
                matches!(error, PoolError::Unresponsive { step: Step::Ping, .. }),
                "{error}"
            );
        });
        assert_eq!(bench.take().number, 2, "another one is made meanwhile");
        answer.send(()).unwrap();
        until(|| bench.pool.checkedout() == 0);
        bench.pool.assert_invariants();
        assert_eq!(bench.pool.checkedin(), if alive { 2 } else { 1 });
    }
}

#[test]
fn waiting_and_connecting_share_one_deadline() {
    let bench = remote(1, PrePing::Never);
    let held = bench.take();
    let (at_gate, answer) = silence(&bench, "connect");
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        bench.until_waiting(1);
        bench.clock.advance(secs(2));
        held.invalidate("makes room after two of three seconds");
        at_gate.recv().unwrap();
        bench.clock.advance(secs(1));
        assert!(matches!(
            caller.join().unwrap(),
            Err(PoolError::Unresponsive {
                step: Step::Connect,
                ..
            })
        ));
    });
    answer.send(()).unwrap();
    until(|| bench.pool.checkedin() == 1);
}

#[test]
fn a_panic_on_the_helper_is_the_callers() {
    let bench = remote(1, PrePing::Always);
    bench.db.next("connect", Act::Panic);
    assert!(panics(|| bench.take()));
    drop(bench.take());
    bench.db.next("ping", Act::Panic);
    assert!(panics(|| bench.take()));
    assert_eq!(
        bench.numbers(),
        (1, 0, -1, 0),
        "the connection is closed, the slot is free"
    );
    drop(bench.take());
}

#[test]
fn a_helper_is_used_again() {
    let bench = remote(1, PrePing::Always);
    let names = Arc::clone(&bench.db.threads);
    for _ in 0..20 {
        drop(bench.take());
    }
    let helpers = lock(&names).clone();
    assert_eq!(helpers.len(), 20, "one connect and nineteen pings");
    assert!(helpers.iter().all(|(name, _)| name == "aludel-helper"), "{helpers:?}");
    let different: std::collections::HashSet<_> = helpers.iter().map(|(_, id)| *id).collect();
    assert!(different.len() < 20, "helpers are not started for each call");
}

#[test]
fn whoever_waits_for_ever_needs_no_helper() {
    let (db, clock) = (Arc::new(Db::default()), Clock::system());
    db.remote.store(true, Ordering::SeqCst);
    let options = PoolOptions {
        pool_timeout: Duration::MAX,
        ..PoolOptions::default()
    };
    let pool = Pool::new(Fake(Arc::clone(&db)), options, clock, Listeners::default());
    drop(pool.checkout().unwrap());
    assert_eq!(lock(&db.threads)[0].1, thread::current().id());
}

#[test]
fn what_is_left_behind_survives_the_end_of_its_pool() {
    let bench = remote(1, PrePing::Never);
    let (at_gate, answer) = silence(&bench, "connect");
    thread::scope(|scope| {
        let caller = scope.spawn(|| bench.pool.checkout());
        at_gate.recv().unwrap();
        bench.clock.advance(secs(3));
        assert!(caller.join().unwrap().is_err());
    });
    let db = Arc::clone(&bench.db);
    drop(bench);
    answer.send(()).unwrap();
    until(|| db.made.load(Ordering::SeqCst) == 1 && db.open.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_pool_timeout_of_zero_gives_a_connect_and_a_ping_their_time() {
    let mut bench = Bench::new(PoolOptions {
        pool_size: 1.into(),
        max_overflow: 0.into(),
        pool_timeout: Duration::ZERO,
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    bench.db.remote.store(true, Ordering::SeqCst);
    bench.pool = bench.pool.recreate();
    for call in ["connect", "ping"] {
        let (at_gate, answer) = silence(&bench, call);
        thread::scope(|scope| {
            let caller = scope.spawn(|| bench.pool.checkout().map(drop));
            at_gate.recv().unwrap();
            bench.clock.advance(secs(29));
            answer.send(()).unwrap();
            caller.join().unwrap().unwrap();
        });
    }
    let held = bench.take();
    let error = bench.pool.checkout().unwrap_err();
    assert!(
        matches!(error, PoolError::Timeout { .. }),
        "it waits for nobody: {error}"
    );
    drop(held);
}
