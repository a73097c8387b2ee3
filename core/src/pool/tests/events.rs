//! What a pool tells, and in which order. Names are those of SQLAlchemy's `PoolEventsTest`.

use super::*;

impl Bench {
    /// Uses a pool once, with a transaction, and answers what was told.
    fn told(&self, pool: &Pool<Conn>) -> Vec<String> {
        self.events();
        pool.checkout().unwrap().set_dirty(true);
        self.events()
    }
}

const FIRST: [&str; 5] = ["FirstConnect", "Connect", "Checkout", "Reset", "Checkin"];
const NEXT: [&str; 3] = ["Checkout", "Reset", "Checkin"];

#[test]
fn first_connect_event() {
    let bench = Bench::sized(5, 0);
    assert_eq!(bench.told(&bench.pool), FIRST);
}

#[test]
fn first_connect_event_fires_once() {
    let bench = Bench::sized(5, 0);
    assert_eq!(bench.told(&bench.pool), FIRST);
    let (one, two) = (bench.take(), bench.take());
    drop((one, two));
    bench.pool.dispose();
    drop(bench.take());
    assert!(
        !bench.events().contains(&"FirstConnect".to_owned()),
        "also not after dispose"
    );
}

#[test]
fn first_connect_on_subsequently_recreated() {
    let bench = Bench::sized(5, 0);
    assert_eq!(bench.told(&bench.pool), FIRST);
    let other = bench.pool.recreate();
    assert_eq!(bench.told(&other), FIRST, "once a pool");
}

#[test]
fn connect_event_fires_subsequent() {
    let bench = Bench::sized(5, 0);
    let (one, two) = (bench.take(), bench.take());
    assert_eq!(
        bench.events(),
        ["FirstConnect", "Connect", "Checkout", "Connect", "Checkout"]
    );
    drop((one, two));
}

#[test]
fn connect_on_previously_and_subsequently_recreated() {
    let bench = Bench::sized(5, 0);
    let other = bench.pool.recreate();
    assert_eq!(bench.events(), ["Recreate"]);
    assert_eq!(bench.told(&bench.pool), FIRST);
    assert_eq!(bench.told(&other), FIRST, "listeners are carried over");
    assert_eq!(bench.told(&other.recreate()), FIRST);
}

#[test]
fn checkout_event_fires_subsequent() {
    let bench = Bench::sized(5, 0);
    bench.told(&bench.pool);
    assert_eq!(bench.told(&bench.pool), NEXT);
    assert_eq!(bench.told(&bench.pool), NEXT);
}

#[test]
fn checkin_event_and_reset_event_for_old_and_recreated() {
    let bench = Bench::sized(5, 0);
    let other = bench.pool.recreate();
    for pool in [&bench.pool, &other] {
        bench.told(pool);
        assert_eq!(bench.told(pool), NEXT, "the reset first");
    }
}

#[test]
fn checkin_event_gc() {
    let bench = Bench::sized(5, 0);
    let mut held = bench.take();
    held.set_dirty(true);
    bench.events();
    drop(held);
    assert_eq!(bench.events(), ["Reset", "Checkin"]);
    let held = bench.take();
    bench.events();
    held.invalidate("for a test");
    assert_eq!(bench.events(), ["Invalidate", "Close"], "nothing is left to come back");
}

#[test]
fn soft_invalidate_event_no_exception() {
    let bench = Bench::sized(5, 0);
    let mut held = bench.take();
    bench.events();
    held.soft_invalidate("for a test");
    held.soft_invalidate("and once more");
    let told = std::mem::take(&mut *lock(&bench.events));
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(
        told[0].starts_with("SoftInvalidate { connection: 1, reason: \"for a test\""),
        "{told:?}"
    );
    drop(held);
    assert_eq!(bench.events(), ["Recycle", "Close"]);
}

#[test]
fn invalidate_event_exception() {
    let bench = Bench::new(PoolOptions {
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    drop(bench.take());
    bench.db.next("ping", Act::Fail);
    lock(&bench.events).clear();
    drop(bench.take());
    let told = std::mem::take(&mut *lock(&bench.events));
    assert!(
        told.iter()
            .any(|event| event.starts_with("Invalidate") && event.contains("ping failed")),
        "{told:?}"
    );
}

#[test]
fn close() {
    let bench = Bench::sized(5, 0);
    drop(bench.take());
    assert!(!bench.events().contains(&"Close".to_owned()), "a return closes nothing");
    bench.pool.dispose();
    assert_eq!(bench.events(), ["Dispose", "Close"]);
}

#[test]
fn detach() {
    let bench = Bench::sized(5, 0);
    let mut held = bench.take();
    bench.events();
    held.detach();
    held.detach();
    assert_eq!(bench.events(), ["Detach"], "once");
    drop(held);
    assert_eq!(bench.events(), ["CloseDetached", "Close"]);
}

#[test]
fn connect_handler_not_called_for_recycled() {
    let bench = Bench::new(PoolOptions {
        pool_recycle: Some(secs(30)),
        ..PoolOptions::default()
    });
    drop(bench.take());
    bench.clock.advance(secs(31));
    bench.db.next("connect", Act::Fail);
    bench.events();
    assert!(bench.pool.checkout().is_err());
    assert_eq!(bench.events(), ["Recycle", "Close", "ConnectFailed"], "none was made");
    drop(bench.take());
    assert_eq!(bench.events(), ["Connect", "Checkout", "Checkin"]);
}

#[test]
fn a_timeout_is_told() {
    let bench = Bench::sized(1, 0);
    let _held = bench.take();
    bench.events();
    assert!(bench.pool.checkout_within(Duration::ZERO).is_err());
    assert_eq!(bench.events(), ["PoolTimeout"]);
}

#[test]
fn abandon_tells_of_a_new_beginning_and_closes_nothing() {
    let bench = Bench::sized(5, 0);
    let (held, idle) = (bench.take(), bench.take());
    drop(idle);
    bench.events();
    bench.pool.abandon();
    assert_eq!(bench.events(), ["Abandon"]);
    assert!(held.is_of_parent());
    drop(held);
    assert_eq!((bench.events(), bench.pool.opened()), (vec![], 0));
    assert_eq!(bench.told(&bench.pool), FIRST);
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 3, "the two are left as they were");
}
