//! One thread, nothing fails.

use super::*;

#[test]
fn queuepool_del() {
    let bench = Bench::new(PoolOptions {
        pool_size: 3.into(),
        max_overflow: Limit::Unlimited,
        ..PoolOptions::default()
    });
    assert_eq!(bench.numbers(), (3, 0, -3, 0));
    let first = bench.take();
    assert_eq!(bench.numbers(), (3, 0, -2, 1));
    let second = bench.take();
    assert_eq!(bench.numbers(), (3, 0, -1, 2));
    let rest: Vec<_> = (0..4).map(|_| bench.take()).collect();
    assert_eq!(bench.numbers(), (3, 0, 3, 6));
    drop(rest);
    assert_eq!(bench.numbers(), (3, 3, 2, 2), "one overflow connection was closed");
    drop((first, second));
    assert_eq!(bench.numbers(), (3, 3, 0, 0));
    let again = bench.take();
    assert_eq!(bench.numbers(), (3, 2, 0, 1));
    drop(again);
    assert_eq!((bench.pool.opened(), bench.pool.closed()), (6, 3));
}

#[test]
fn unlimited() {
    let bench = Bench::new(PoolOptions {
        pool_size: Limit::Unlimited,
        max_overflow: 2.into(),
        ..PoolOptions::default()
    });
    let held: Vec<_> = (0..50).map(|_| bench.take()).collect();
    assert_eq!(bench.numbers(), (0, 0, 0, 50));
    drop(held);
    assert_eq!(bench.numbers(), (0, 50, 0, 0));
}

#[test]
fn status_text() {
    let bench = Bench::sized(5, 10);
    let _held = (bench.take(), drop(bench.take()));
    let text = "Pool size: 5  Connections in pool: 1 Current Overflow: -3 Current Checked out connections: 1";
    assert_eq!(bench.pool.status().to_string(), text);
}

#[test]
fn fifo() {
    let bench = Bench::sized(2, 0);
    let (one, two) = (bench.take(), bench.take());
    drop(two);
    drop(one);
    let order: Vec<_> = (0..4).map(|_| bench.take().number).collect();
    assert_eq!(order, [2, 1, 2, 1]);
}

#[test]
fn lifo() {
    let bench = Bench::new(PoolOptions {
        use_lifo: true,
        ..PoolOptions::default()
    });
    let (one, two) = (bench.take(), bench.take());
    drop(two);
    drop(one);
    let order: Vec<_> = (0..4).map(|_| bench.take().number).collect();
    assert_eq!(order, [1, 1, 1, 1]);
}

#[test]
fn recycle() {
    let bench = Bench::new(PoolOptions {
        pool_recycle: Some(secs(30)),
        ..PoolOptions::default()
    });
    assert_eq!(bench.take().number, 1);
    bench.clock.advance(secs(30));
    assert_eq!(bench.take().number, 1, "as old as the limit is not older");
    bench.clock.advance(secs(1));
    let fresh = bench.take();
    assert_eq!((fresh.number, fresh.age()), (2, Duration::ZERO));
    assert_eq!(bench.db.heard(), ["connect 1", "close 1", "connect 2"]);
}

#[test]
fn a_clean_return_costs_no_round_trip() {
    let bench = Bench::sized(1, 0);
    drop(bench.take());
    drop(bench.take());
    assert_eq!(bench.db.heard(), ["connect 1"]);
    assert_eq!(
        bench.events(),
        ["FirstConnect", "Connect", "Checkout", "Checkin", "Checkout", "Checkin"]
    );
}

#[test]
fn plain_rollback() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.set_dirty(true);
    drop(held);
    assert!(!bench.take().is_dirty());
    assert_eq!(bench.db.heard(), ["connect 1", "Rollback 1"]);
    assert_eq!(
        bench.events(),
        [
            "FirstConnect",
            "Connect",
            "Checkout",
            "Reset",
            "Checkin",
            "Checkout",
            "Checkin"
        ]
    );
}

#[test]
fn plain_commit_and_plain_none() {
    for (how, heard) in [
        (ResetOnReturn::Commit, &["connect 1", "Commit 1"][..]),
        (ResetOnReturn::None, &["connect 1"]),
    ] {
        let bench = Bench::new(PoolOptions {
            reset_on_return: how,
            ..PoolOptions::default()
        });
        let mut held = bench.take();
        held.set_dirty(true);
        drop(held);
        assert_eq!(bench.db.heard(), heard);
    }
}

#[test]
fn invalidate() {
    let bench = Bench::sized(1, 0);
    bench.take().invalidate("test");
    assert_eq!(bench.take().number, 2);
    assert_eq!(bench.db.heard(), ["connect 1", "close 1", "connect 2"]);
    assert_eq!(
        bench.events(),
        [
            "FirstConnect",
            "Connect",
            "Checkout",
            "Invalidate",
            "Close",
            "Connect",
            "Checkout",
            "Checkin"
        ]
    );
}

#[test]
fn detach() {
    let bench = Bench::sized(1, 0);
    let mut raw = bench.take();
    raw.detach();
    bench.pool.assert_invariants();
    assert!(raw.is_detached());
    assert_eq!(bench.numbers(), (1, 0, -1, 0), "its place is free");
    assert_eq!(bench.take().number, 2);
    assert_eq!(raw.number, 1, "it stays usable");
    drop(raw);
    assert_eq!(bench.db.heard(), ["connect 1", "connect 2", "close 1"]);
    assert_eq!(bench.pool.status().detached, 1);
}

#[test]
fn dispose() {
    let bench = Bench::sized(3, 0);
    let (held, other) = (bench.take(), bench.take());
    drop(other);
    bench.pool.dispose();
    assert_eq!(bench.db.heard(), ["connect 1", "connect 2", "close 2"]);
    assert_eq!(bench.numbers(), (3, 0, -2, 1));
    assert_eq!(bench.take().number, 3, "usable, with new connections");
    drop(held);
    assert_eq!(bench.db.heard(), ["connect 3", "close 1"]);
    assert_eq!(bench.take().number, 3);
}

#[test]
fn the_last_clone_closes_what_is_idle() {
    let bench = Bench::sized(3, 0);
    let db = Arc::clone(&bench.db);
    let held = bench.take();
    drop(bench.take());
    drop(bench);
    assert_eq!(
        db.open.load(Ordering::SeqCst),
        1,
        "what is in use is left to its holder"
    );
    drop(held);
    assert_eq!(db.open.load(Ordering::SeqCst), 0);
}

#[test]
fn ping_once() {
    let bench = Bench::new(PoolOptions {
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    drop(bench.take());
    assert_eq!(bench.db.heard(), ["connect 1"], "a fresh connection is not tested");
    drop(bench.take());
    assert_eq!(bench.db.heard(), ["ping 1"]);
    bench.db.next("ping", Act::Fail);
    assert_eq!(bench.take().number, 2);
    assert_eq!(
        bench.db.heard(),
        ["ping 1", "close 1", "connect 2"],
        "nor is its replacement"
    );
}

#[test]
fn ping_only_after_a_while() {
    let bench = Bench::new(PoolOptions {
        pre_ping: PrePing::IdleFor(secs(10)),
        ..PoolOptions::default()
    });
    drop(bench.take());
    bench.clock.advance(secs(9));
    drop(bench.take());
    bench.clock.advance(secs(9));
    drop(bench.take());
    assert_eq!(bench.db.heard(), ["connect 1"]);
    bench.clock.advance(secs(10));
    drop(bench.take());
    assert_eq!(bench.db.heard(), ["ping 1"]);
}

#[test]
fn one_disconnect_retires_a_generation() {
    let bench = Bench::new(PoolOptions {
        pool_size: 20.into(),
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    });
    drop((0..20).map(|_| bench.take()).collect::<Vec<_>>());
    bench.db.heard();
    bench.db.next("ping", Act::Fail);
    let fresh: Vec<_> = (0..20).map(|_| bench.take()).collect();
    let heard = bench.db.heard();
    assert_eq!(
        heard.iter().filter(|line| line.starts_with("ping")).count(),
        1,
        "{heard:?}"
    );
    assert!(fresh.iter().all(|connection| connection.generation() == 1));
}

#[test]
fn twenty_reports_of_one_generation_are_one() {
    let bench = Bench::sized(20, 0);
    let held: Vec<_> = (0..20).map(|_| bench.take()).collect();
    let told: Vec<_> = held
        .iter()
        .map(|held| bench.pool.retire(held.generation(), "gone away"))
        .collect();
    assert_eq!(told.iter().filter(|first| **first).count(), 1);
    assert_eq!(bench.pool.generation(), 1);
    drop(held);
    assert_eq!(
        (bench.pool.checkedin(), bench.pool.closed()),
        (0, 20),
        "closed on return"
    );
    assert_eq!(bench.take().generation(), 1);
    assert!(!bench.pool.retire(0, "an old report"));
    assert_eq!(bench.pool.checkedin(), 1);
}

#[test]
fn a_retired_connection_is_not_reset() {
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.set_dirty(true);
    bench.pool.retire(0, "gone away");
    drop(held);
    assert_eq!(bench.db.heard(), ["connect 1", "close 1"]);
}

#[test]
fn no_connect_before_the_first_checkout() {
    let bench = Bench::sized(5, 0);
    bench.pool.dispose();
    assert_eq!(bench.pool.opened(), 0);
    assert!(format!("{:?}", bench.pool).contains("pool_size: AtMost(5)"));
    let held = bench.take();
    assert!(format!("{held:?}").contains("id: 1"));
}

#[test]
fn an_r2d2_manager_plugs_in() {
    struct Manager;
    impl r2d2::ManageConnection for Manager {
        type Connection = u8;
        type Error = std::io::Error;
        fn connect(&self) -> Result<u8, Self::Error> {
            Ok(1)
        }
        fn is_valid(&self, _: &mut u8) -> Result<(), Self::Error> {
            Ok(())
        }
        fn has_broken(&self, connection: &mut u8) -> bool {
            *connection == 0
        }
    }
    let pool = Pool::new(
        Managed(Manager),
        PoolOptions::default(),
        Clock::system(),
        Listeners::default(),
    );
    drop(pool.checkout().unwrap());
    assert_eq!((pool.checkedin(), pool.closed()), (1, 0));
    *pool.checkout().unwrap() = 0;
    assert_eq!((pool.checkedin(), pool.closed()), (0, 1));
    pool.checkout().unwrap().set_dirty(true);
    assert_eq!((pool.checkedin(), pool.closed()), (0, 2), "r2d2 knows no reset");
    pool.assert_invariants();
}
