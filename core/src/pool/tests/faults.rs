//! What fails, panics or is dropped half-way.

use std::error::Error;

use super::*;

#[test]
fn error_on_connect_returns_the_slot() {
    let bench = Bench::sized(1, 0);
    bench.db.next("connect", Act::Fail);
    let error = bench.pool.checkout().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "connect failed");
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    assert_eq!(bench.events(), ["ConnectFailed"]);
    assert_eq!(bench.take().number, 1);
}

#[test]
fn connect_refused_answers_at_once() {
    let bench = Bench::sized(1, 0);
    let before = bench.pool.clock().now();
    for _ in 0..3 {
        bench.db.next("connect", Act::Fail);
        assert!(matches!(bench.pool.checkout(), Err(PoolError::Connect(_))));
    }
    assert_eq!(bench.pool.clock().now(), before);
    assert_eq!(bench.clock.slept(), []);
}

#[test]
fn error_on_pooled_reconnect_cleanup_invalidate() {
    let bench = Bench::sized(1, 0);
    drop(bench.take());
    bench.pool.retire(0, "gone away");
    bench.db.next("connect", Act::Fail);
    assert!(matches!(bench.pool.checkout(), Err(PoolError::Connect(_))));
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    assert_eq!(bench.pool.closed(), 1);
}

#[test]
fn userspace_disconnectionerror() {
    let bench = Bench::sized(1, 0);
    bench.db.next("hook", Act::Refuse);
    assert_eq!(bench.take().number, 2);
    assert_eq!(bench.db.heard(), ["connect 1", "close 1", "connect 2"]);
}

#[test]
fn a_hook_may_have_it_replaced_twice() {
    let bench = Bench::sized(1, 0);
    (0..3).for_each(|_| bench.db.next("hook", Act::Refuse));
    let error = bench.pool.checkout().unwrap_err();
    assert!(matches!(error, PoolError::RefusedAgain { replaced: 2 }), "{error}");
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    assert_eq!((bench.pool.opened(), bench.pool.closed()), (3, 3));
}

#[test]
fn error_on_pooled_reconnect_cleanup_wcheckout_event() {
    let bench = Bench::sized(1, 0);
    drop(bench.take());
    bench.db.next("hook", Act::Refuse);
    bench.db.next("connect", Act::Fail);
    assert!(matches!(bench.pool.checkout(), Err(PoolError::Connect(_))));
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
}

#[test]
fn a_hook_may_fail_the_checkout() {
    let bench = Bench::sized(1, 0);
    bench.db.next("hook", Act::Fail);
    let error = bench.pool.checkout().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "hook failed");
    assert_eq!(bench.numbers(), (1, 0, -1, 0));
    assert_eq!(bench.events(), ["FirstConnect", "Connect", "Invalidate", "Close"]);
}

#[test]
fn a_panic_keeps_the_slot() {
    let bench = Bench::new(PoolOptions {
        pool_size: 1.into(),
        max_overflow: 0.into(),
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    for call in ["connect", "hook", "ping", "has_broken", "reset"] {
        if call == "ping" {
            drop(bench.take());
        }
        bench.db.next(call, Act::Panic);
        assert!(
            panics(|| bench.pool.checkout().map(|mut held| held.set_dirty(true))),
            "{call}"
        );
        bench.pool.assert_invariants();
        assert_eq!(bench.numbers(), (1, 0, -1, 0), "{call}");
    }
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 0);
}

#[test]
fn a_panic_in_close_keeps_the_slot() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.panic_on_close = true;
    assert!(panics(|| held.invalidate("test")));
    bench.pool.assert_invariants();
    bench.take().panic_on_close = true;
    assert!(panics(|| bench.pool.dispose()));
    assert_eq!((bench.numbers(), bench.pool.closed()), ((1, 0, -1, 0), 2));
}

#[test]
fn a_panic_in_a_listener_keeps_the_slot() {
    for name in ["Connect", "Checkout", "Checkin", "Close"] {
        let listener = move |event: &Event<'_>| assert!(!format!("{event:?}").starts_with(&format!("{name} ")));
        let listeners = Listeners::new(vec![Box::new(listener)]);
        let db = Arc::new(Db::default());
        let options = PoolOptions {
            pool_size: 1.into(),
            max_overflow: 0.into(),
            ..PoolOptions::default()
        };
        let pool = Pool::new(Fake(Arc::clone(&db)), options, Clock::system(), listeners);
        drop(pool.checkout().unwrap()); // nobody but the log hears of it
        pool.dispose();
        pool.assert_invariants();
        assert_eq!(pool.checkedout(), 0, "{name}");
        db.next("connect", Act::Fail);
        pool.dispose();
    }
}

#[test]
fn everything_may_panic_while_a_thread_unwinds() {
    for call in ["has_broken", "close"] {
        let bench = Bench::sized(1, 0);
        bench.db.next(call, Act::Panic);
        let unwound = panics(|| {
            let mut held = bench.take();
            held.panic_on_close = true;
            held.set_busy(call == "close");
            panic!("the first one");
        });
        assert!(unwound, "and no abort");
        assert_eq!(bench.numbers(), (1, 0, -1, 0));
    }
}

#[test]
fn dropped_while_busy_is_closed() {
    let bench = Bench::sized(1, 0);
    assert!(panics(|| {
        let mut held = bench.take();
        held.set_busy(true);
        panic!("in the middle of a driver call");
    }));
    assert_eq!(bench.db.heard(), ["connect 1", "close 1"]);
    assert_eq!(
        bench.events(),
        ["FirstConnect", "Connect", "Checkout", "Invalidate", "Close"]
    );
}

#[test]
fn a_panic_with_a_transaction_open_closes_and_a_clean_one_does_not() {
    let bench = Bench::sized(1, 0);
    for (dirty, numbers) in [(true, (1, 0, -1, 0)), (false, (1, 1, 0, 0))] {
        assert!(panics(|| {
            let mut held = bench.take();
            held.set_dirty(dirty);
            panic!("between two statements");
        }));
        assert_eq!(bench.numbers(), numbers);
    }
}

#[test]
fn broken_is_closed() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.broken = true;
    held.set_dirty(true);
    drop(held);
    assert_eq!(bench.db.heard(), ["connect 1", "close 1"], "and not reset");
}

#[test]
fn reset_failure_closes() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.set_dirty(true);
    bench.db.next("reset", Act::Fail);
    drop(held);
    assert_eq!(bench.db.heard(), ["connect 1", "Rollback 1", "close 1"]);
    assert!(
        lock(&bench.events)
            .iter()
            .any(|event| event.contains("reset failed: reset failed"))
    );
}
