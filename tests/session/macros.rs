//! `#[retry]` and `#[transactional]` as users write them: what stands around a function stays, and what stands in the
//! attribute is what is done.

use std::cell::Cell;
use std::fmt::Debug;
use std::iter::Sum;
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{IntoRetryPolicy, Phase, RetryPolicy};
use aludel_tests::sqlite;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Bank, withdraw};

const LOCKED: &str = "database is locked";

/// How a function ends that is made to fail once.
fn fail_once(bank: &Bank) {
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, LOCKED);
}

/// Signatures of many kinds. That they are what they were is the compiler's to say: see the pointers below.
mod shapes {
    use super::*;

    pub(super) struct Shop<'n, const N: usize, T> {
        pub(super) name: &'n str,
        pub(super) stock: [T; N],
        pub(super) asked: Cell<u32>,
    }

    impl<'n, const N: usize, T: Copy> Shop<'n, N, T> {
        /// A method, with a lifetime of its type's, and parameters of its own.
        #[must_use = "somebody has asked"]
        #[inline]
        #[retry(attempts = 2)]
        pub(super) fn first<C, U>(&self, session: &mut Session<C>, factor: U) -> aludel::Result<(&'n str, T, U)>
        where
            C: Dialect,
            U: Copy + Debug,
        {
            self.asked.set(self.asked.get() + 1);
            session.flush()?;
            Ok((self.name, self.stock[0], factor))
        }

        /// Elided lifetimes are those of `self`, as always.
        #[retry]
        pub(super) fn all(&self, session: &mut Session<impl Dialect>) -> aludel::Result<&[T]> {
            session.flush()?;
            Ok(&self.stock)
        }

        /// What it is given is consumed, borrowed, and answered.
        #[transactional]
        pub(super) fn restock<'a>(
            &mut self,
            session: &mut Session<impl Dialect>,
            with: impl FnOnce() -> [T; N],
            log: &'a mut Vec<String>,
            #[cfg(not(test))] never: Never,
            #[cfg(test)] mut times: u32,
        ) -> aludel::Result<&'a mut String> {
            times += 1;
            self.stock = with();
            session.flush()?;
            log.push(format!("restocked {times}"));
            Ok(log.last_mut().expect("it was pushed just now"))
        }
    }

    /// `impl Trait` as an argument and as the answer.
    #[retry(clone(numbers))]
    pub(super) fn sum<S>(
        _session: &mut Session<SqliteConnection>,
        numbers: impl IntoIterator<Item = S> + Clone,
    ) -> aludel::Result<impl Debug + PartialEq<i32>>
    where
        i32: Sum<S>,
    {
        #![allow(clippy::needless_pass_by_value)]
        Ok(numbers.into_iter().sum::<i32>())
    }

    pub(super) trait Audit {
        type Error: From<aludel::Error> + 'static;

        /// Provided by the trait.
        #[transactional(nested)]
        fn audit(&self, session: &mut Session<SqliteConnection>) -> Result<bool, Self::Error> {
            Ok(session.in_nested_transaction())
        }
    }

    impl Audit for () {
        type Error = Box<dyn std::error::Error + Send + Sync>;
    }

    /// Whose place is noted is the caller's.
    #[track_caller]
    #[retry(attempts = 1)]
    pub(super) fn hold(
        session: &mut Session<SqliteConnection>,
        other: &Engine<SqliteConnection>,
    ) -> aludel::Result<String> {
        session.flush()?;
        let refused = other.connect().with_raw(|_| Ok(()));
        Ok(refused.expect_err("there is one connection").to_string())
    }
}

use shapes::{Audit, Shop};

/// How these functions can be called has not changed.
type First<'s, 'n> = fn(&'s Shop<'n, 2, u8>, &mut Session<SqliteConnection>, f32) -> aludel::Result<(&'n str, u8, f32)>;
type Audited = fn(&(), &mut Session<SqliteConnection>) -> Result<bool, <() as Audit>::Error>;
const _: First<'_, '_> = Shop::first;
const _: Audited = <() as Audit>::audit;

#[test]
fn what_stands_around_a_function_stays() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let mut shop = Shop {
        name: "corner",
        stock: [1, 2],
        asked: Cell::new(0),
    };
    fail_once(&bank);
    assert_eq!(shop.first(&mut session, 1.5)?, ("corner", 1, 1.5));
    assert_eq!(shop.asked.get(), 2, "it ran again");
    fail_once(&bank);
    assert_eq!(shop.all(&mut session)?, [1, 2]);
    let mut log = Vec::new();
    let stock = Box::new([3, 4]);
    shop.restock(&mut session, move || *stock, &mut log, 6)?
        .push_str(" times");
    assert_eq!((shop.stock, log), ([3, 4], vec!["restocked 7 times".to_owned()]));
    fail_once(&bank);
    assert_eq!(shapes::sum(&mut session, [1, 2, 3])?, 6);
    session.begin(|session| {
        assert!(().audit(session).expect("it is inside of one"));
        Ok(())
    })?;
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_function_that_tracks_its_caller_still_does() -> aludel::Result<()> {
    let file = sqlite::file();
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .pool_size(1)
        .max_overflow(0)
        .pool_timeout(Duration::ZERO)
        .build()?;
    let (told, line) = (shapes::hold(&mut engine.session(), &engine)?, line!());
    assert!(told.contains(&format!("{}:{line}", file!())), "{told}");
    Ok(())
}

/// What each attempt found.
type Seen = Vec<(IsolationLevel, AccessMode)>;

fn look(session: &mut Session<SqliteConnection>, seen: &mut Seen) -> aludel::Result<()> {
    seen.push((session.isolation_level()?, session.access_mode()?));
    Ok(())
}

#[retry(attempts = 2, isolation = ReadUncommitted, read_only, rerun_sees(seen))]
fn read(session: &mut Session<SqliteConnection>, seen: &mut Seen) -> aludel::Result<()> {
    look(session, seen)
}

#[transactional(isolation = ReadUncommitted, read_only)]
fn read_once(session: &mut Session<SqliteConnection>, seen: &mut Seen) -> aludel::Result<()> {
    look(session, seen)
}

#[test]
fn each_attempt_is_of_the_kind_that_was_asked_for() -> aludel::Result<()> {
    let bank = Bank::open();
    let asked = (IsolationLevel::ReadUncommitted, AccessMode::ReadOnly);
    let mut seen = Vec::new();
    fail_once(&bank);
    read(&mut bank.engine.session(), &mut seen)?;
    assert_eq!(seen, [asked, asked]);
    read_once(&mut bank.engine.session(), &mut seen)?;
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2], asked);
    // It joins what is of its kind, and nothing else.
    bank.engine
        .session()
        .build_transaction()
        .isolation_level(IsolationLevel::ReadUncommitted)
        .read_only()
        .run(|session| {
            read(session, &mut seen)?;
            read_once(session, &mut seen)
        })?;
    assert_eq!(seen.len(), 5);
    for refused in [read, read_once] {
        let error = bank.engine.begin(|session| refused(session, &mut seen)).unwrap_err();
        assert!(error.to_string().contains("READ UNCOMMITTED"), "{error}");
    }
    assert_eq!(seen.len(), 5, "no body has run");
    bank.assert_whole();
    Ok(())
}

#[test]
fn what_runs_again_and_after_which_pause() -> aludel::Result<()> {
    #[retry(on = (Disconnect, Failover), rerun_sees(runs))]
    fn of_no_conflict(session: &mut Session<SqliteConnection>, runs: &mut u32) -> aludel::Result<()> {
        *runs += 1;
        withdraw(session, 1, 1)
    }
    #[retry(on = Retry, backoff = "none", attempts = 4)]
    fn at_once(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        diesel::sql_query("SELECT 1").execute(session)?;
        Ok(())
    }
    let bank = Bank::open();
    fail_once(&bank);
    let mut runs = 0;
    of_no_conflict(&mut bank.engine.session(), &mut runs).expect_err("a conflict is not one of the two");
    assert_eq!(runs, 1);

    let (clock, time) = Clock::test();
    let script = FaultScript::new();
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .clock(clock)
        .faults(script.clone())
        .build()?;
    for _ in 0..3 {
        script.fail_before(Phase::Commit, DatabaseErrorKind::Unknown, LOCKED);
    }
    at_once(&mut engine.session())?;
    assert_eq!(time.slept(), [Duration::ZERO; 3]);
    Ok(())
}

#[test]
fn a_policy_is_asked_in_each_call() -> aludel::Result<()> {
    struct Settings {
        attempts: Cell<u32>,
        asked: Cell<u32>,
    }

    impl IntoRetryPolicy for Settings {
        fn retry_policy(&self) -> RetryPolicy {
            self.asked.set(self.asked.get() + 1);
            RetryPolicy::new().attempts(self.attempts.get())
        }
    }

    impl Settings {
        #[retry(policy = *self)]
        fn pay(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
            withdraw(session, 1, 1)
        }
    }

    let bank = Bank::open();
    let settings = Settings {
        attempts: Cell::new(1),
        asked: Cell::new(0),
    };
    fail_once(&bank);
    settings
        .pay(&mut bank.engine.session())
        .expect_err("there is one attempt");
    settings.attempts.set(2);
    fail_once(&bank);
    settings.pay(&mut bank.engine.session())?;
    assert_eq!((settings.asked.get(), bank.balances()), (2, vec![499, 0]));
    Ok(())
}

#[test]
fn what_a_transaction_is_given_it_may_keep() -> aludel::Result<()> {
    struct Letter(String);

    #[transactional]
    fn send(
        session: &mut Session<SqliteConnection>,
        letter: Letter,
        mut amount: i64,
        sent: &mut Vec<Letter>,
    ) -> aludel::Result<Letter> {
        amount += 1;
        withdraw(session, 1, amount)?;
        sent.push(letter);
        Ok(Letter("answer".to_owned()))
    }

    let bank = Bank::open();
    let mut sent = Vec::new();
    let answer = send(&mut bank.engine.session(), Letter("tea".to_owned()), 9, &mut sent)?;
    assert_eq!((answer.0.as_str(), sent[0].0.as_str()), ("answer", "tea"));
    assert_eq!(bank.balances(), [490, 0]);
    fail_once(&bank);
    send(&mut bank.engine.session(), Letter("more".to_owned()), 9, &mut sent)
        .map(drop)
        .expect_err("nothing is run again");
    assert_eq!((sent.len(), bank.balances()), (2, vec![490, 0]));
    bank.log.expect(&["begin", "commit", "begin", "rollback"]);
    bank.assert_whole();
    Ok(())
}

/// Nobody passes a session on.
mod ambient {
    use super::*;

    pub(super) struct Till {
        pub(super) amount: i64,
    }

    impl Till {
        #[retry(attempts = 2, clone(note))]
        pub(super) fn pay<'n>(
            &self,
            mut times: u32,
            note: String,
            name: &'n str,
        ) -> aludel::Result<(Vec<u8>, &'n str)> {
            while times > 0 {
                times -= 1;
                aludel::current(|session| withdraw(session, 1, self.amount))?;
            }
            Ok((note.into_bytes(), name))
        }
    }

    #[transactional]
    pub(super) fn take(amounts: Vec<i64>, log: &mut Vec<i64>) -> aludel::Result<Vec<i64>> {
        for amount in &amounts {
            aludel::current(|session| withdraw(session, 1, *amount))?;
            log.push(*amount);
        }
        Ok(amounts)
    }

    #[retry(engine = "reports")]
    pub(super) fn name_by_name() -> aludel::Result<String> {
        aludel::current_named("reports", |session: &mut Session<SqliteConnection>| {
            assert!(session.in_transaction());
            Ok(session.engine().logging_name().to_owned())
        })
    }

    #[transactional(connection = SqliteConnection)]
    pub(super) fn name_by_type() -> aludel::Result<String> {
        aludel::current(|session: &mut Session<SqliteConnection>| {
            assert!(session.in_transaction());
            Ok(session.engine().logging_name().to_owned())
        })
    }
}

#[test]
fn on_the_ambient_session_it_is_the_same() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.scope(|| -> aludel::Result<()> {
        fail_once(&bank);
        let till = ambient::Till { amount: 10 };
        assert_eq!(till.pay(2, "tea".to_owned(), "Ann")?, (b"tea".to_vec(), "Ann"));
        let mut log = Vec::new();
        assert_eq!(ambient::take(vec![1, 2], &mut log)?, [1, 2]);
        assert_eq!(log, [1, 2]);
        Ok(())
    })?;
    assert_eq!(bank.balances(), [477, 0]);
    bank.log.expect(&[
        "begin",
        "rollback",
        "rerun 2 after retry",
        "begin",
        "commit",
        "begin",
        "commit",
    ]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn the_ambient_session_is_the_one_that_was_asked_for() -> aludel::Result<()> {
    let named = |name: &str| {
        Engine::<SqliteConnection>::builder("sqlite://:memory:")
            .logging_name(name)
            .build()
    };
    let (reports, orders) = (named("reports")?, named("orders")?);
    reports.scope(|| {
        orders.scope(|| -> aludel::Result<()> {
            assert_eq!(ambient::name_by_name()?, "reports");
            assert_eq!(ambient::name_by_type()?, "orders");
            Ok(())
        })
    })?;
    let nobody = orders
        .scope(ambient::name_by_name)
        .expect_err("the other one is not there");
    assert!(nobody.to_string().contains("reports"), "{nobody}");
    Ok(())
}
