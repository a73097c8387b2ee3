//! A kind of the user's that loses a connection: its slot is not lost with it.

use super::*;

/// Loses what it is given at some moment.
#[derive(Debug)]
struct Careless {
    when: &'static str,
    idle: Vec<Idle<Conn>>,
}

impl Kind<Conn> for Careless {
    fn name(&self) -> &'static str {
        "Careless"
    }

    fn limit(&self) -> usize {
        1
    }

    fn keep(&self) -> usize {
        1
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<Conn>> {
        let idle = self.idle.pop();
        if self.when == "take" { None } else { idle }
    }

    fn put(&mut self, idle: Idle<Conn>) -> Result<(), Idle<Conn>> {
        assert!(self.when != "panic", "put panics");
        if self.when == "put" {
            drop(idle);
        } else {
            self.idle.push(idle);
        }
        Ok(())
    }

    fn idle(&self) -> usize {
        self.idle.len()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<Conn>) -> bool) -> Vec<Idle<Conn>> {
        let gone: Vec<_> = self.idle.extract_if(.., |idle| unfit(idle)).collect();
        if self.when == "remove" { Vec::new() } else { gone }
    }

    fn recreate(&self) -> Box<dyn Kind<Conn>> {
        Box::new(Self {
            when: self.when,
            idle: Vec::new(),
        })
    }
}

fn careless(when: &'static str) -> Bench {
    let kind = Careless { when, idle: Vec::new() };
    Bench::of(AnyKind::of(kind), PoolOptions::default())
}

#[test]
fn what_a_kind_drops_is_closed_and_counted() {
    for when in ["put", "take", "remove"] {
        let bench = careless(when);
        drop(bench.take());
        if when == "remove" {
            bench.pool.dispose();
        }
        assert_eq!(bench.take().number, 2, "{when}");
        bench.pool.maintain();
        bench.pool.assert_invariants();
        let (opened, closed) = (bench.pool.opened(), bench.pool.closed());
        let left = i64::try_from(opened - closed).unwrap();
        assert_eq!(bench.db.open.load(Ordering::SeqCst), left, "{when}");
        assert!(bench.events().contains(&"Invalidate".to_owned()), "{when}: it is told");
    }
}

#[test]
fn a_kind_that_drops_what_somebody_waits_for() {
    let bench = careless("put");
    let held = bench.take();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| bench.pool.checkout().unwrap().number);
        bench.until_waiting(1);
        // Too soon to be handed over: it is stored, and the waiter is told to look.
        drop(held);
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn a_kind_that_panics() {
    let bench = careless("panic");
    let held = bench.take();
    assert!(panics(|| drop(held)));
    let held = bench.take();
    assert_eq!(held.number, 2);
    held.invalidate("so that the kind is not asked again");
    assert_eq!(bench.db.open.load(Ordering::SeqCst), 0);
}
