//! Forty orders are charged while the network cuts every COMMIT.
//!
//! A charge is a step whose call is the order, and the order counts its charges.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use aludel::prelude::*;
use aludel::{Error, Outcome, RetryBudget};
use diesel::connection::SimpleConnection as _;

use super::databases::{Damage, Grounds};
use super::ground::{Ground, Scene};
use super::told::{Told, write};
use crate::wire::rules::{Again, Step};

const ORDERS: u32 = 40;

/// Who charges, and what they were told.
struct Shop<'g, C: Grounds> {
    scene: Scene<'g, C>,
    /// How often the body has run for each order.
    runs: RefCell<Vec<u32>>,
    /// Hooks that have run.
    told: Arc<AtomicU32>,
}

impl<'g, C: Grounds> Shop<'g, C> {
    fn open(ground: &'g Ground<C>) -> Self {
        let mut outside = ground.outside();
        let orders: Vec<String> = (1..=ORDERS).map(|order| format!("({order}, 0)")).collect();
        for sql in [
            "DROP TABLE IF EXISTS orders",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, charges INTEGER NOT NULL)",
            &format!("INSERT INTO orders VALUES {}", orders.join(", ")),
            "DELETE FROM steps",
        ] {
            outside.batch_execute(sql).expect("nobody else is there");
        }
        Self {
            scene: ground.scene(),
            runs: RefCell::new(vec![0; ORDERS as usize]),
            told: Arc::default(),
        }
    }

    fn charge(&self, session: &mut Session<C>, order: u32) -> aludel::Result<()> {
        let told = Arc::clone(&self.told);
        session.on_commit(move || {
            told.fetch_add(1, Ordering::Relaxed);
        });
        let run = {
            let mut runs = self.runs.borrow_mut();
            runs[order as usize - 1] += 1;
            runs[order as usize - 1]
        };
        charge(session, order, run)?;
        self.scene.about_to_commit();
        Ok(())
    }

    /// Charges each order, on one session.
    fn charge_all(&self, by: fn(&mut Session<C>, &Self, u32) -> aludel::Result<()>) -> Vec<aludel::Result<()>> {
        let mut session = self.scene.engine.session();
        (1..=ORDERS).map(|order| by(&mut session, self, order)).collect()
    }

    /// What went by, what is in the database, and how often each body has run.
    fn close(self, ground: &Ground<C>, again: Again) -> Books {
        let wire = self.scene.end_by_the_rules(|_| again);
        let there = ground.steps();
        let charges = (1..=ORDERS).map(|order| there.iter().filter(|step| step.call == order).count());
        let charges: Vec<usize> = charges.collect();
        assert_eq!(
            C::charges(&mut ground.outside()),
            charges,
            "each order knows of its charges\n{wire}"
        );
        Books {
            charges,
            runs: self.runs.take(),
            told: self.told.load(Ordering::Relaxed),
            wire,
        }
    }
}

struct Books {
    /// Of each order, in the database.
    charges: Vec<usize>,
    /// Of each order's body.
    runs: Vec<u32>,
    /// Hooks that have run.
    told: u32,
    wire: Told,
}

impl Books {
    /// The same for each order.
    #[track_caller]
    fn expect(&self, case: &str, charges: usize, runs: u32, told: u32) {
        let all = ORDERS as usize;
        assert_eq!(self.charges, vec![charges; all], "{case}\n{}", self.wire);
        assert_eq!(self.runs, vec![runs; all], "{case}\n{}", self.wire);
        assert_eq!(self.told, told, "{case}\n{}", self.wire);
        let sent: Vec<usize> = (1..=ORDERS).map(|order| self.wire.times(order, 1)).collect();
        assert_eq!(sent, vec![runs as usize; all], "{case}\n{}", self.wire);
    }
}

fn charge<C: Grounds>(session: &mut Session<C>, order: u32, run: u32) -> aludel::Result<()> {
    let step = Step {
        call: order,
        run,
        number: 1,
    };
    write(session, step, false)?;
    Ok(session.batch_execute(&format!("UPDATE orders SET charges = charges + 1 WHERE id = {order}"))?)
}

#[retry(attempts = 5, commit = "verify")]
fn verified<C: Grounds>(session: &mut Session<C>, shop: &Shop<'_, C>, order: u32) -> aludel::Result<()> {
    shop.charge(session, order)
}

#[retry(attempts = 5, commit = "fail")]
fn fails<C: Grounds>(session: &mut Session<C>, shop: &Shop<'_, C>, order: u32) -> aludel::Result<()> {
    shop.charge(session, order)
}

#[retry(attempts = 5, commit = "idempotent")]
fn promised<C: Grounds>(session: &mut Session<C>, shop: &Shop<'_, C>, order: u32) -> aludel::Result<()> {
    shop.charge(session, order)
}

const BEFORE: Option<Damage> = Some(Damage::CutBefore);
const AFTER: Option<Damage> = Some(Damage::CutAfter);

/// Whether every COMMIT is cut after it was done, or before it is heard of, or now this, now that: each order is charged
/// once, its caller is told so, and its hook runs once.
///
/// # Panics
///
/// If it is not so.
pub fn verified_charges_take_effect_once<C: Grounds>() {
    let ground = Ground::<C>::open("verified");
    // The second one of each order goes through, or none ever would.
    for (case, commits, runs) in [
        ("after every COMMIT", &[AFTER][..], 1),
        ("before every COMMIT", &[BEFORE, None], 2),
        ("before and after, by turns", &[BEFORE, AFTER], 2),
    ] {
        let shop = Shop::open(&ground);
        shop.scene.strike_commits(commits);
        for (order, answer) in (1..).zip(shop.charge_all(verified)) {
            answer.unwrap_or_else(|error| panic!("{case}, order {order}: {error}"));
        }
        let books = shop.close(&ground, Again::Verified);
        books.expect(case, 1, runs, ORDERS);
        let said = books.wire.said();
        let lost = |words: &str| said.iter().filter(|said| *said == words).count();
        let each = |damage| if commits.contains(&damage) { ORDERS as usize } else { 0 };
        assert_eq!(
            (lost("COMMIT ~"), lost("COMMIT ?")),
            (each(BEFORE), each(AFTER)),
            "{case}"
        );
    }
}

/// The COMMITs of those who find out are cut as well.
///
/// # Panics
///
/// If it is not so.
pub fn verified_charges_take_effect_once_whatever_becomes_of_those_who_find_out<C: Grounds>() {
    let ground = Ground::<C>::open("find_out");
    let shop = Shop::open(&ground);
    shop.scene.strike_all_commits(&[BEFORE, AFTER, None]);
    for (order, answer) in (1..).zip(shop.charge_all(verified)) {
        answer.unwrap_or_else(|error| panic!("order {order}: {error}"));
    }
    let books = shop.close(&ground, Again::Verified);
    assert_eq!(books.charges, vec![1; ORDERS as usize], "{}", books.wire);
    assert_eq!(books.told, ORDERS, "{}", books.wire);
}

/// Without a word about COMMIT nobody is charged twice either, and every caller is told that nobody knows.
///
/// # Panics
///
/// If it is not so.
pub fn charges_that_may_fail_are_never_sent_again<C: Grounds>() {
    let ground = Ground::<C>::open("fail");
    for (case, commits) in [
        ("after every COMMIT", &[AFTER][..]),
        ("before every COMMIT", &[BEFORE]),
        ("before and after, by turns", &[BEFORE, AFTER]),
    ] {
        let shop = Shop::open(&ground);
        shop.scene.strike_commits(commits);
        for (order, answer) in (1..).zip(shop.charge_all(fails)) {
            let error: Error = answer.expect_err("its COMMIT was cut");
            assert!(
                error.is_commit_unknown() && !error.is_retryable(),
                "{case}, order {order}: {error}"
            );
            assert_eq!(
                error.outcome(),
                Some(Outcome::Unknown),
                "{case}, order {order}: {error}"
            );
        }
        let books = shop.close(&ground, Again::Known);
        let done = (0..ORDERS as usize).map(|order| usize::from(commits[order % commits.len()] == AFTER));
        assert_eq!(books.charges, done.collect::<Vec<_>>(), "{case}\n{}", books.wire);
        assert_eq!(
            (books.told, &books.runs),
            (0, &vec![1; ORDERS as usize]),
            "{case}\n{}",
            books.wire
        );
    }
}

/// What was promised to do no harm is done: a charge whose COMMIT was cut after it had happened is made twice.
///
/// # Panics
///
/// If it is not so.
pub fn charges_that_are_promised_to_do_no_harm_are_made_again<C: Grounds>() {
    let ground = Ground::<C>::open("promised");
    for (case, commits, charges) in [
        ("after every COMMIT", [AFTER, None], 2),
        ("before every COMMIT", [BEFORE, None], 1),
    ] {
        let shop = Shop::open(&ground);
        shop.scene.strike_commits(&commits);
        for (order, answer) in (1..).zip(shop.charge_all(promised)) {
            answer.unwrap_or_else(|error| panic!("{case}, order {order}: {error}"));
        }
        shop.close(&ground, Again::Promised).expect(case, charges, 2, ORDERS);
    }
}

/// Four at once, each with orders of its own, in a network that cuts now before and now after a COMMIT.
///
/// # Panics
///
/// If it is not so.
pub fn a_crowd_is_charged_once_each<C: Grounds>() {
    #[retry(attempts = 100, commit = "verify", rerun_sees(run))]
    fn charges<C: Grounds>(session: &mut Session<C>, order: u32, run: &mut u32) -> aludel::Result<()> {
        *run += 1;
        charge(session, order, *run)
    }
    let ground = Ground::<C>::open("crowd");
    drop(Shop::open(&ground));
    let scene = ground.scene_with(|builder| builder.retry_budget(RetryBudget::UNLIMITED));
    scene.strike_commits(&[BEFORE, AFTER, AFTER, BEFORE, AFTER]);
    thread::scope(|threads| {
        for first in 1..=4 {
            let engine = scene.engine.clone();
            threads.spawn(move || {
                for order in (first..=ORDERS).step_by(4) {
                    let charged = charges(&mut engine.session(), order, &mut 0);
                    charged.unwrap_or_else(|error| panic!("order {order}: {error}"));
                }
            });
        }
    });
    let wire = scene.end_by_the_rules(|_| Again::Verified);
    let charged: Vec<u32> = ground.steps().iter().map(|step| step.call).collect();
    assert_eq!(charged, (1..=ORDERS).collect::<Vec<_>>(), "{wire}");
    assert_eq!(C::charges(&mut ground.outside()), vec![1; ORDERS as usize], "{wire}");
}
