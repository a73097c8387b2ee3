//! Random programs against the pool and against a model of it that is too simple to be wrong: after each step both must
//! have had the same conversation with the database, and have the same numbers.
//!
//! One thread runs each program, so nobody waits; what threads do to each other is explored in `tests/proof/`. A program that
//! fails is made smaller by proptest, and printed.

mod database;
mod model;
mod program;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::event::Listeners;
use aludel::pool::{Checkout, Pool, PoolError, PoolOptions};
use aludel_tests::random;
use proptest::test_runner::{TestCaseError, TestRunner};

use database::{Connection, Database};
use model::{Model, Outcome};
use program::{MOMENT, Program, Step};

/// More find more; a program takes about a millisecond.
const PROGRAMS: u32 = 2_000;
/// How many more there are in a long run, which also has other ones each time.
const LONG: u32 = 50;

#[test]
fn the_pool_does_as_its_model() {
    let mut runner = TestRunner::new(random::config(PROGRAMS, LONG));
    let result = runner.run(&program::programs(), |program| {
        Run::new(&program).all(&program.steps).map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// A program on its way through both.
struct Run {
    database: Database,
    pool: Pool<Connection>,
    clock: TestClock,
    /// In the order of the model's.
    held: Vec<Checkout<Connection>>,
    detached: Vec<Checkout<Connection>>,
    taken_out: Vec<Connection>,
    model: Model,
}

impl Run {
    fn new(program: &Program) -> Self {
        let database = Database::default();
        let (clock, test) = Clock::test();
        let pool = Pool::new(database.clone(), program.options.clone(), clock, Listeners::default());
        Self {
            database,
            pool,
            clock: test,
            held: Vec::new(),
            detached: Vec::new(),
            taken_out: Vec::new(),
            model: Model::new(program.options.clone()),
        }
    }

    fn all(mut self, steps: &[Step]) -> Result<(), String> {
        let result = steps.iter().enumerate().try_for_each(|(number, step)| {
            let done = self.step(step);
            done.map_err(|error| format!("step {number}, {step:?}: {error}"))
        });
        // With the last one the pool goes, and with the pool everything it had.
        self.database.heal();
        self.held.clear();
        self.detached.clear();
        drop(self.pool);
        result?;
        same("connections outside", self.database.open(), self.taken_out.len())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::CheckOut => self.check_out()?,
            Step::Return(which) => {
                if let Some(index) = self.index(*which) {
                    let checkout = self.held.remove(index);
                    let panicked = catch_unwind(AssertUnwindSafe(|| drop(checkout))).is_err();
                    same("panicked", panicked, self.model.give_back(index))?;
                }
            }
            Step::Begin(which) => {
                if let Some(index) = self.index(*which) {
                    self.held[index].in_transaction = true;
                    self.held[index].set_dirty(true);
                    self.model.held[index].dirty = true;
                }
            }
            Step::Set(which, isolation) => {
                if let Some(index) = self.index(*which) {
                    self.held[index].isolation = *isolation;
                    self.held[index].set_dirty(true);
                    self.model.held[index].dirty = true;
                }
            }
            Step::Hang(which) => {
                if let Some(index) = self.index(*which) {
                    self.held[index].set_busy(true);
                    self.model.held[index].unfit = true;
                }
            }
            Step::Break(which) => {
                if let Some(index) = self.index(*which) {
                    self.held[index].broken = true;
                    self.model.held[index].unfit = true;
                }
            }
            Step::Invalidate(which) => {
                if let Some(index) = self.index(*which) {
                    self.held.remove(index).invalidate("a program");
                    self.model.invalidate(index);
                }
            }
            Step::Detach(which) => {
                if let Some(index) = self.index(*which) {
                    let mut checkout = self.held.remove(index);
                    checkout.detach();
                    self.detached.push(checkout);
                    self.model.detach(index);
                }
            }
            Step::DropDetached(which) => {
                if let Some(index) = usize::from(*which).checked_rem(self.detached.len()) {
                    drop(self.detached.remove(index));
                    self.model.drop_detached(index);
                }
            }
            Step::TakeOut(which) => {
                if let Some(index) = self.index(*which) {
                    let taken_out = self.held.remove(index).into_inner();
                    self.taken_out.push(taken_out.map_err(|_| "nobody else's".to_owned())?);
                    self.model.take_out(index);
                }
            }
            Step::SoftInvalidate(which) => {
                if let Some(index) = self.index(*which) {
                    self.held[index].soft_invalidate("a program");
                    self.model.held[index].soft_invalidated = true;
                }
            }
            Step::Maintain => {
                let panicked = catch_unwind(AssertUnwindSafe(|| self.pool.maintain())).is_err();
                same("panicked", panicked, self.model.maintain())?;
            }
            Step::Retire(back) => {
                let generation = self.pool.generation().saturating_sub(u64::from(*back));
                let retired = self.pool.retire(generation, "a program");
                same("retired", retired, self.model.retire(generation))?;
            }
            Step::Dispose => {
                self.pool.dispose();
                self.model.dispose();
            }
            Step::Pass(moments) => {
                let time = u32::from(*moments) * MOMENT;
                self.clock.advance(time);
                self.model.now += time;
            }
            Step::Next(call, fault) => {
                self.database.next(*call, *fault);
                self.model.next(*call, *fault);
            }
        }
        self.compare()
    }

    fn check_out(&mut self) -> Result<(), String> {
        let generation = self.pool.generation();
        let checkout = catch_unwind(AssertUnwindSafe(|| self.pool.checkout_within(Duration::ZERO)));
        let outcome = match checkout {
            Err(_) => Outcome::Panic,
            Ok(Err(PoolError::Timeout { .. })) => Outcome::Timeout,
            Ok(Err(PoolError::Connect(_))) => Outcome::NoConnection,
            Ok(Err(PoolError::Refused(_) | PoolError::RefusedAgain { .. })) => Outcome::Refused,
            Ok(Err(error)) => return Err(format!("an error that no step asks for: {error}")),
            Ok(Ok(checkout)) => {
                if checkout.generation() < generation {
                    return Err(format!(
                        "a connection of generation {} before {generation}",
                        checkout.generation()
                    ));
                }
                self.look_at(&checkout)?;
                self.held.push(checkout);
                Outcome::Connection(self.held.last().map_or(0, Checkout::id))
            }
        };
        same("outcome of the checkout", outcome, self.model.check_out())
    }

    /// What no borrower may find, save where nothing is done at return by wish.
    fn look_at(&self, connection: &Connection) -> Result<(), String> {
        if self.pool.options().reset_on_return == aludel::pool::ResetOnReturn::None {
            return Ok(());
        }
        same("an open transaction", connection.in_transaction, false)?;
        same("a foreign isolation level", connection.isolation, 0)
    }

    fn index(&self, which: u8) -> Option<usize> {
        usize::from(which).checked_rem(self.held.len())
    }

    fn compare(&self) -> Result<(), String> {
        self.pool.assert_invariants();
        same(
            "conversation with the database",
            self.database.heard(),
            self.model.said(),
        )?;
        let status = self.pool.status();
        same("idle", status.checked_in, self.model.idle.len())?;
        same("held", status.checked_out, self.model.held.len())?;
        same("opened", status.opened, self.model.opened)?;
        same("closed", status.closed, self.model.closed)?;
        same("detached", status.detached, self.model.detached)?;
        same("waiting", status.waiting, 0)?;
        same("generation", self.pool.generation(), self.model.generation)?;
        same(
            "open at the database",
            self.database.open(),
            self.model.idle.len() + self.held.len() + self.detached.len() + self.taken_out.len(),
        )?;
        let ids: Vec<_> = self.held.iter().map(Checkout::id).collect();
        same("who is held", ids, self.model.held.iter().map(|held| held.id).collect())
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, pool: T, model: T) -> Result<(), String> {
    if pool == model {
        Ok(())
    } else {
        Err(format!("{what}: {pool:?} of the pool's, {model:?} of the model's"))
    }
}

/// The settings that programs are run with.
fn options_of(size: usize, overflow: usize) -> PoolOptions {
    PoolOptions {
        pool_size: size.into(),
        max_overflow: overflow.into(),
        ..PoolOptions::default()
    }
}
