//! Databases in memory, which are gone with their connection: kept as long as anybody may want them, and never lost in
//! silence.

use super::*;

fn in_memory(kind: impl Into<AnyKind<Conn>>, options: PoolOptions) -> Bench {
    let db = Db {
        in_memory: AtomicBool::new(true),
        ..Db::default()
    };
    Bench::on(db, kind, options)
}

fn lost(bench: &Bench) -> Option<String> {
    match bench.pool.checkout() {
        Ok(_) => None,
        Err(PoolError::InMemoryDatabaseLost { reason }) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn one_that_outlives_its_pool_is_closed_when_it_comes_back() {
    let bench = in_memory(Static, PoolOptions::default());
    let (held, db) = (bench.take(), Arc::clone(&bench.db));
    drop(bench);
    assert_eq!(db.open.load(Ordering::SeqCst), 1);
    drop(held);
    assert_eq!(db.open.load(Ordering::SeqCst), 0, "nobody can ask for it any more");
}

#[test]
fn dispose_leaves_the_one_that_is_in_use() {
    let bench = in_memory(Static, PoolOptions::default());
    let held = bench.take();
    bench.pool.dispose();
    drop(held);
    assert_eq!(bench.take().number, 1);
}

#[test]
fn a_panic_in_a_hook_or_a_ping_that_closes_it_is_told() {
    for call in ["hook", "ping"] {
        let bench = in_memory(
            Static,
            PoolOptions {
                pre_ping: PrePing::Always,
                ..PoolOptions::default()
            },
        );
        drop(bench.take());
        bench.db.next(call, Act::Panic);
        assert!(panics(|| bench.take()), "{call}");
        assert!(bench.events().contains(&"InMemoryDatabaseLost".to_owned()), "{call}");
        assert_eq!(
            lost(&bench).as_deref(),
            Some("a panic interrupted what was done with it")
        );
        assert_eq!(lost(&bench), None, "it is told once");
    }
}

#[test]
fn a_reset_that_panics_is_told() {
    let bench = in_memory(Static, PoolOptions::default());
    bench.db.next("reset", Act::Panic);
    assert!(panics(|| bench.take().set_dirty(true)));
    assert!(lost(&bench).is_some());
}

#[test]
fn the_loss_of_a_detached_one_says_nothing_about_the_next() {
    let bench = in_memory(Static, PoolOptions::default());
    let mut held = bench.take();
    held.detach();
    assert_eq!(bench.take().number, 2);
    bench.take().invalidate("wanted");
    held.discard_or_mend("for a test", |_| false);
    assert_eq!(lost(&bench), None, "the pool's own was not lost");
}

#[test]
fn a_detached_one_is_closed_by_discard() {
    let bench = in_memory(Static, PoolOptions::default());
    let mut held = bench.take();
    held.detach();
    held.discard("for a test");
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 0);
}

#[test]
fn maintenance_leaves_the_connections_of_threads_to_them() {
    let bench = in_memory(
        ThreadLocal,
        PoolOptions {
            keepalive: Some(secs(30)),
            ..PoolOptions::default()
        },
    );
    drop(bench.take());
    bench.clock.advance(secs(31));
    thread::scope(|scope| scope.spawn(|| bench.pool.maintain()).join().unwrap());
    assert_eq!(bench.take().number, 1, "with all its tables");
}

#[test]
fn maintenance_does_not_take_what_cannot_be_waited_for() {
    let bench = Bench::of(
        Assertion,
        PoolOptions {
            keepalive: Some(secs(30)),
            min_idle: 1,
            ..PoolOptions::default()
        },
    );
    drop(bench.take());
    bench.db.heard();
    bench.clock.advance(secs(31));
    bench.pool.maintain();
    assert_eq!(
        bench.db.heard(),
        [""; 0],
        "a checkout meanwhile would have been refused"
    );
}

#[test]
fn min_idle_makes_none_that_belong_to_nobody() {
    for kind in [AnyKind::from(ThreadLocal), AnyKind::of(Refusing)] {
        let bench = Bench::of(
            kind,
            PoolOptions {
                min_idle: 2,
                ..PoolOptions::default()
            },
        );
        bench.pool.maintain(); // and comes to an end
        assert!(bench.pool.opened() <= 1);
    }
}

/// A kind that keeps nothing, though it says that it would.
#[derive(Debug)]
struct Refusing;

impl Kind<Conn> for Refusing {
    fn name(&self) -> &'static str {
        "Refusing"
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<Conn>> {
        None
    }

    fn put(&mut self, idle: Idle<Conn>) -> Result<(), Idle<Conn>> {
        Err(idle)
    }

    fn idle(&self) -> usize {
        0
    }

    fn remove(&mut self, _: &mut dyn FnMut(&Idle<Conn>) -> bool) -> Vec<Idle<Conn>> {
        Vec::new()
    }

    fn recreate(&self) -> Box<dyn Kind<Conn>> {
        Box::new(Self)
    }
}
