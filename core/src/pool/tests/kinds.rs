//! What one kind of pool differs in from another.

use super::*;
use crate::pool::{Asker, Idle, Kind};

/// The oldest connection first.
#[derive(Debug)]
struct OldestFirst(Vec<Idle<Conn>>);

impl Kind<Conn> for OldestFirst {
    fn name(&self) -> &'static str {
        "OldestFirst"
    }

    fn limit(&self) -> usize {
        3
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<Conn>> {
        let oldest = (0..self.0.len()).min_by_key(|index| self.0[*index].id())?;
        Some(self.0.swap_remove(oldest))
    }

    fn put(&mut self, idle: Idle<Conn>) -> Result<(), Idle<Conn>> {
        self.0.push(idle);
        Ok(())
    }

    fn idle(&self) -> usize {
        self.0.len()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<Conn>) -> bool) -> Vec<Idle<Conn>> {
        self.0.extract_if(.., |idle| unfit(idle)).collect()
    }

    fn recreate(&self) -> Box<dyn Kind<Conn>> {
        Box::new(Self(Vec::new()))
    }
}

fn kinds() -> [AnyKind<Conn>; 6] {
    [
        Queue.into(),
        Null.into(),
        ThreadLocal.into(),
        Static.into(),
        Assertion.into(),
        AnyKind::of(OldestFirst(Vec::new())),
    ]
}

fn bench(kind: impl Into<AnyKind<Conn>>) -> Bench {
    Bench::of(kind, PoolOptions::default())
}

// ---- every kind -----------------------------------------------------------------------------------------------

#[test]
fn no_connect_on_recreate() {
    for kind in kinds() {
        let name = kind.name();
        let bench = bench(kind);
        bench.pool.dispose();
        let other = bench.pool.recreate();
        assert_eq!((bench.pool.kind(), other.kind(), other.opened()), (name, name, 0));
        drop(bench.take());
        let other = bench.pool.recreate();
        assert_eq!(
            (other.kind(), other.checkedin()),
            (name, 0),
            "what is idle stays where it is"
        );
        assert_eq!(
            bench
                .db
                .heard()
                .iter()
                .filter(|line| line.starts_with("connect"))
                .count(),
            1,
            "{name}"
        );
        drop(other.checkout().unwrap());
        assert_eq!((bench.pool.opened(), other.opened()), (1, 1));
        other.assert_invariants();
    }
}

/// SQLAlchemy's sequence for all of them: connect, close, dispose, recreate, connect, close.
fn sequence(kind: impl Into<AnyKind<Conn>>) -> Vec<String> {
    let bench = bench(kind);
    let use_it = |pool: &Pool<Conn>| pool.checkout().unwrap().set_dirty(true);
    use_it(&bench.pool);
    bench.pool.dispose();
    let other = bench.pool.recreate();
    use_it(&other);
    other.assert_invariants();
    bench.db.heard()
}

const KEPT: [&str; 5] = ["connect 1", "Rollback 1", "close 1", "connect 2", "Rollback 2"];

#[test]
fn queue_pool() {
    assert_eq!(sequence(Queue), KEPT);
}

#[test]
fn assertion_pool() {
    assert_eq!(sequence(Assertion), KEPT);
}

#[test]
fn singleton_pool() {
    assert_eq!(sequence(ThreadLocal), KEPT);
}

#[test]
fn static_pool() {
    assert_eq!(sequence(Static), KEPT);
}

#[test]
fn null_pool() {
    let closed = [
        "connect 1",
        "Rollback 1",
        "close 1",
        "connect 2",
        "Rollback 2",
        "close 2",
    ];
    assert_eq!(sequence(Null), closed);
}

#[test]
fn a_kind_of_ones_own() {
    assert_eq!(sequence(AnyKind::of(OldestFirst(Vec::new()))), KEPT);
    let bench = bench(AnyKind::of(OldestFirst(Vec::new())));
    let held: Vec<_> = (0..3).map(|_| bench.take()).collect();
    let full = bench.pool.checkout_within(Duration::ZERO).unwrap_err().to_string();
    assert!(
        full.starts_with("OldestFirst limit of size 3 overflow 2 reached"),
        "{full}"
    );
    held.into_iter().rev().for_each(drop);
    assert_eq!(bench.take().number, 1, "not the one that came back first");
    assert_eq!(bench.pool.status().to_string().split("  ").next(), Some("OldestFirst"));
}

#[test]
fn rec_close_reopen() {
    for kind in kinds() {
        let bench = bench(kind);
        bench.take().invalidate("closed once");
        assert_eq!(bench.db.heard(), ["connect 1", "close 1"]);
        assert_eq!(bench.take().number, 2, "the same place, another connection");
        bench.pool.assert_invariants();
    }
}

#[test]
fn recycle_on_invalidate() {
    for kind in kinds() {
        let keeps = kind.name() != "NullPool";
        let bench = bench(kind);
        let mut held = bench.take();
        held.soft_invalidate("for a test");
        held.soft_invalidate("told once");
        assert_eq!(held.number, 1, "usable until it comes back");
        assert_eq!(bench.db.heard(), ["connect 1"]);
        drop(held);
        assert_eq!(bench.db.heard(), ["close 1"]);
        let again = bench.take();
        assert_eq!(again.number, 2);
        drop(again);
        assert_eq!(
            bench.pool.checkedin(),
            usize::from(keeps),
            "and that one is as good as any"
        );
    }
}

#[test]
fn retire_and_recycle_hold_for_every_kind() {
    for kind in kinds() {
        let bench = Bench::of(
            kind,
            PoolOptions {
                pool_recycle: Some(secs(30)),
                ..PoolOptions::default()
            },
        );
        drop(bench.take());
        bench.pool.retire(0, "gone away");
        assert_eq!(bench.take().number, 2);
        bench.clock.advance(secs(31));
        assert_eq!(bench.take().number, 3);
        assert_eq!(
            bench.db.open.load(Ordering::SeqCst),
            i64::try_from(bench.pool.checkedin()).unwrap()
        );
    }
}

#[test]
fn info_goes_with_the_connection_and_record_info_stays() {
    #[derive(Debug, PartialEq, Clone)]
    struct Note(&'static str);
    let bench = Bench::sized(1, 0);
    let mut held = bench.take();
    held.info_mut().insert(Note("of the connection"));
    held.record_info_mut().insert(Note("of the place"));
    drop(held);
    let held = bench.take();
    assert_eq!(held.info().get(), Some(&Note("of the connection")));
    held.invalidate("for a test");
    let held = bench.take();
    assert_eq!(
        (held.info().get::<Note>(), held.record_info().get()),
        (None, Some(&Note("of the place")))
    );
}

// ---- one a thread ---------------------------------------------------------------------------------------------

/// SQLAlchemy's `no_rollback_from_nested_connections` hands one connection out twice, with a counter. Here the second
/// checkout is refused, so none can be reset while another one still uses it.
#[test]
fn no_rollback_from_nested_connections() {
    let bench = bench(ThreadLocal);
    let (mut outer, line) = (bench.take(), line!());
    outer.set_dirty(true);
    let error = bench.pool.checkout().unwrap_err();
    let PoolError::AlreadyCheckedOut {
        same_thread: true,
        holder,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((holder.connection, holder.place.line()), (Some(1), line));
    assert_eq!(bench.db.heard(), ["connect 1"], "and nothing is sent");
    drop(outer);
    assert_eq!(bench.db.heard(), ["Rollback 1"]);
    assert_eq!(bench.take().number, 1);
}

#[test]
fn each_thread_keeps_its_own() {
    let bench = bench(ThreadLocal);
    drop(bench.take());
    thread::scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| assert_eq!(bench.take().number, 2)));
    });
    assert_eq!(bench.take().number, 1);
    assert_eq!(bench.pool.checkedin(), 2);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(bench.take().number, 3));
    });
    assert_eq!(
        bench.db.heard(),
        ["connect 1", "connect 2", "close 2", "connect 3"],
        "its thread had ended"
    );
}

// ---- one for all ----------------------------------------------------------------------------------------------

#[test]
fn connect_error() {
    let bench = bench(Assertion);
    bench.db.next("connect", Act::Fail);
    assert!(matches!(bench.pool.checkout(), Err(PoolError::Connect(_))));
    assert_eq!(bench.take().number, 1, "its place is free again");
}

#[test]
fn connect_multiple() {
    let bench = bench(Assertion);
    drop(bench.take());
    let (held, line) = (bench.take(), line!());
    let text = bench.pool.checkout().unwrap_err().to_string();
    assert!(
        text.starts_with("AssertionPool: the connection is in use already (connection 1 "),
        "{text}"
    );
    assert!(text.contains(&format!("kinds.rs:{line}:")), "{text}");
    drop(held);
    assert_eq!(bench.take().number, 1);
}

#[test]
fn reconnect() {
    let bench = bench(Null);
    assert_eq!([1, 2].map(|_| bench.take().number), [1, 2]);
    bench.take().invalidate("for a test");
    assert_eq!(bench.take().number, 4);
    assert_eq!(
        (bench.pool.opened(), bench.pool.closed(), bench.pool.checkedin()),
        (4, 4, 0)
    );
}

#[test]
fn static_recreate() {
    let bench = bench(Static);
    drop(bench.take());
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(bench.take().number, 1, "one for all threads"));
    });
    bench.take().invalidate("for a test");
    assert_eq!(bench.take().number, 2, "and replaced");
    let other = bench.pool.recreate();
    assert_eq!(other.checkout().unwrap().number, 3, "made in the same way");
}

/// SQLAlchemy hands it out to several at once; `&mut` forbids that, so the second one waits.
#[test]
fn the_one_for_all_is_lent_to_one_at_a_time() {
    let bench = bench(Static);
    let held = bench.take();
    let text = bench.pool.checkout_within(Duration::ZERO).unwrap_err().to_string();
    assert!(
        text.starts_with("StaticPool limit of size 1 overflow 0 reached"),
        "{text}"
    );
    thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.pool.checkout().unwrap().number);
        bench.until_waiting(1);
        drop(held);
        assert_eq!(waiting.join().unwrap(), 1);
    });
}

// ---- what dies with its connection ----------------------------------------------------------------------------

fn in_memory(kind: impl Into<AnyKind<Conn>>) -> Bench {
    let db = Db::default();
    db.in_memory.store(true, Ordering::SeqCst);
    Bench::on(db, kind, PoolOptions::default())
}

#[test]
fn a_database_in_memory_that_is_lost_fails_the_next_checkout_once() {
    for (call, dirty) in [("has_broken", false), ("reset", true), ("ping", false)] {
        let bench = in_memory(ThreadLocal);
        let mut held = bench.take();
        held.set_dirty(dirty);
        bench.db.next(call, Act::Fail);
        if call == "ping" {
            held.broken = true;
        }
        drop(held);
        assert!(bench.events().contains(&"InMemoryDatabaseLost".to_owned()), "{call}");
        thread::scope(|scope| {
            scope.spawn(|| drop(bench.take())); // no business of another thread's
        });
        let error = bench.pool.checkout().unwrap_err();
        assert!(
            matches!(error, PoolError::InMemoryDatabaseLost { .. }),
            "{call}: {error}"
        );
        assert_eq!(bench.pool.checkedout(), 0, "its place is not lost with it");
        drop(bench.take());
    }
}

#[test]
fn a_database_in_memory_is_not_told_of_as_lost_to_who_wanted_it_so() {
    let bench = in_memory(Static);
    bench.take().invalidate("for a test");
    assert!(
        bench.events().contains(&"InMemoryDatabaseLost".to_owned()),
        "but listeners hear of it"
    );
    assert_eq!(bench.take().number, 2);
    bench.pool.dispose();
    assert_eq!(bench.take().number, 3);
}

#[test]
fn a_database_in_memory_outlives_a_call_that_was_cut_short() {
    let bench = in_memory(ThreadLocal);
    assert!(panics(|| {
        let mut held = bench.take();
        held.set_busy(true);
        panic!("in the middle of a driver call");
    }));
    bench.take().discard("nobody should trust it");
    assert_eq!(bench.db.heard(), ["connect 1", "Rollback 1", "Rollback 1"]);
    assert_eq!(bench.take().number, 1);
}
