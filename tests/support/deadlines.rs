//! A deadline that was said, and what the database is told of it: one story for all of them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::{Duration, Instant};

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use aludel::{Error, Flavour, Outcome, Phase, RetryEnd, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

use crate::stage::{OutOfSugar, Stage, Staged};

/// A deadline that comes while a test waits, and after which a busy machine has long had its turn.
const SOON: RetryPolicy = RetryPolicy::new().deadline(Duration::from_secs(1));

/// What nobody waits for.
const FAR_BEYOND: Duration = Duration::from_secs(30);

/// A database whose statements, or on `SQLite` whose waits for locks, can be limited.
pub trait Timed: Staged {
    /// A statement that works for a minute.
    const A_MINUTE: &'static str;
    /// Limits the connection to 200 ms.
    const BRIEFLY: &'static str;
}

#[cfg(feature = "sqlite")]
impl Timed for diesel::SqliteConnection {
    const A_MINUTE: &'static str = "";
    const BRIEFLY: &'static str = "PRAGMA busy_timeout = 200";
}

#[cfg(feature = "mysql")]
impl Timed for diesel::MysqlConnection {
    const A_MINUTE: &'static str = "SELECT SLEEP(60)";
    const BRIEFLY: &'static str = "SET SESSION max_statement_time = 0.2";
}

#[cfg(feature = "postgres")]
impl Timed for diesel::PgConnection {
    const A_MINUTE: &'static str = "SELECT pg_sleep(60)";
    const BRIEFLY: &'static str = "SET statement_timeout = 200";
}

/// What the database says of the session's connection.
fn limit<C: Timed>(session: &mut Session<C>) -> aludel::Result<Option<Duration>> {
    session.with_raw(|raw| Ok(raw.statement_limit()?))
}

/// What it says of a connection that somebody else is given.
fn limit_of_next<C: Timed>(stage: &Stage<C>) -> Option<Duration> {
    let mut raw = stage.engine.raw_connection().unwrap();
    raw.statement_limit().unwrap()
}

/// A bank with one connection, whose clock stands still.
fn stopped<C: Timed>(name: &str) -> (Stage<C>, TestClock) {
    let (clock, test) = Clock::test();
    let stage = Stage::open_with(name, |builder| builder.clock(clock).pool_size(1).max_overflow(0));
    (stage, test)
}

/// The error names the deadline, what was done was rolled back, and nothing ran again.
#[track_caller]
fn names_the_deadline(error: &Error, deadline: &str) {
    let text = error.to_string();
    assert!(text.contains(&format!("its deadline of {deadline} has come")), "{text}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{text}");
    let report = error.retry_report().unwrap();
    assert!(matches!(report.end(), RetryEnd::Deadline(_)), "{report:?}");
    assert_eq!(report.attempts(), 1, "{text}");
}

/// What is left of the deadline is each attempt's own limit, and the next borrower's is what it was.
///
/// # Errors
///
/// None that the story expects.
pub fn each_attempt_gets_what_is_left<C: Timed>() -> aludel::Result<()> {
    let (stage, time) = stopped::<C>("each_attempt");
    let own = limit_of_next(&stage);
    let policy = RetryPolicy::new().deadline(Duration::from_secs(4));
    let mut limits = Vec::new();
    stage.engine.session().retry(&policy, |session| {
        limits.push(limit(session)?);
        time.advance(Duration::from_millis(1_500));
        if limits.len() == 1 {
            stage
                .script
                .fail_before(Phase::Statement, DatabaseErrorKind::SerializationFailure, "a conflict");
        }
        C::withdraw(session, 1, 100)?;
        Ok(())
    })?;
    let seconds = |milliseconds| Some(Duration::from_millis(milliseconds));
    assert_eq!(limits, [seconds(4_000), seconds(2_500)]);
    assert_eq!(limit_of_next(&stage), own);
    assert_eq!(stage.balances(), [400, 0]);
    stage.assert_whole();
    Ok(())
}

/// However the transaction ends.
///
/// # Errors
///
/// None that the story expects.
pub fn nothing_of_it_reaches_the_next_borrower<C: Timed>() -> aludel::Result<()> {
    let (stage, _time) = stopped::<C>("next_borrower");
    let own = limit_of_next(&stage);
    let policy = RetryPolicy::new().deadline(Duration::from_secs(3));
    let refused = stage.engine.session().retry(&policy, |session| {
        assert_eq!(limit(session)?, Some(Duration::from_secs(3)));
        Err::<(), _>(Error::other("no"))
    });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "no [rolled back, nothing was written]"
    );
    assert_eq!(limit_of_next(&stage), own);

    let mut session = stage.engine.session();
    session.retry(&policy, |session| {
        session.begin_nested(|session| {
            assert_eq!(limit(session)?, Some(Duration::from_secs(3)));
            Ok(())
        })
    })?;
    session.begin(|session| {
        assert_eq!(limit(session)?, own, "nobody has said how long this one may take");
        Ok(())
    })?;
    drop(session);

    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _: aludel::Result<()> = stage.engine.session().retry(&policy, |session| {
            limit(session)?;
            panic_any(OutOfSugar)
        });
    }));
    assert!(unwound.is_err());
    assert_eq!(limit_of_next(&stage), own);

    let mut kept = stage.engine.session();
    kept.begin(|session| {
        session.retry(&policy, |session| {
            assert_eq!(
                limit(session)?,
                own,
                "one that has joined cannot bound what is open already"
            );
            Ok(())
        })
    })?;
    stage.assert_whole();
    Ok(())
}

/// The limit that a hook, a role or the URL has set is not raised.
///
/// # Errors
///
/// None that the story expects.
pub fn a_smaller_limit_of_the_connections_own_stays<C: Timed>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("smaller", |builder| {
        builder.on_connect(|raw, _| Ok(raw.batch_execute(C::BRIEFLY)?))
    });
    let brief = Some(Duration::from_millis(200));
    let policy = RetryPolicy::new().deadline(Duration::from_mins(1));
    for _ in 0..2 {
        stage.engine.session().retry(&policy, |session| {
            assert_eq!(limit(session)?, brief);
            Ok(())
        })?;
        assert_eq!(limit_of_next(&stage), brief);
    }
    if C::FLAVOUR != Flavour::Sqlite {
        let begun = Instant::now();
        let cut = stage
            .engine
            .session()
            .retry(&policy, |session| Ok(session.batch_execute(C::A_MINUTE)?));
        assert!(begun.elapsed() < FAR_BEYOND);
        let error = cut.unwrap_err();
        assert_eq!(error.retry_report().unwrap().end(), RetryEnd::NotRerun);
        assert!(!error.to_string().contains("deadline"), "{error}");
    }
    Ok(())
}

/// What nobody has said, or what the engine has said for all.
///
/// # Errors
///
/// None that the story expects.
pub fn the_engines_deadline_is_told_and_the_one_that_is_built_in_is_not<C: Timed>() -> aludel::Result<()> {
    let (stage, _time) = stopped::<C>("built_in");
    let own = limit_of_next(&stage);
    stage.engine.session().retry(&RetryPolicy::new(), |session| {
        assert_eq!(limit(session)?, own);
        Ok(())
    })?;
    let (clock, _time) = Clock::test();
    let hurried = Engine::<C>::builder(stage.engine.url().clone())
        .clock(clock)
        .retry_policy(RetryPolicy::new().deadline(Duration::from_secs(2)))
        .build()?;
    hurried.session().retry(&RetryPolicy::new(), |session| {
        assert_eq!(limit(session)?, Some(Duration::from_secs(2)));
        Ok(())
    })?;
    hurried.begin(|session| {
        assert_eq!(limit(session)?, own);
        Ok(())
    })
}

/// The server cuts the statement short, and that is the end.
///
/// # Errors
///
/// None that the story expects.
pub fn a_statement_is_cut_short_at_the_deadline<C: Timed>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("cut_short");
    let mut runs = 0;
    let begun = Instant::now();
    let cut = stage.engine.session().retry(&SOON, |session| {
        runs += 1;
        C::withdraw(session, 1, 100)?;
        Ok(session.batch_execute(C::A_MINUTE)?)
    });
    let took = begun.elapsed();
    let error = cut.unwrap_err();
    assert!(took >= Duration::from_secs(1) && took < FAR_BEYOND, "{took:?}: {error}");
    names_the_deadline(&error, "1s");
    assert_eq!((runs, error.class()), (1, Class::Permanent));
    assert_eq!(stage.balances(), [500, 0]);
    stage.assert_whole();
    Ok(())
}

/// So is a wait for a lock.
///
/// # Errors
///
/// None that the story expects.
pub fn a_lock_is_waited_for_until_the_deadline<C: Timed>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("lock");
    let mut holder = stage.outside();
    let begin = if C::FLAVOUR == Flavour::Sqlite {
        "BEGIN IMMEDIATE"
    } else {
        "BEGIN"
    };
    holder.batch_execute(&format!(
        "{begin}; UPDATE accounts SET balance = balance + 1 WHERE id = 1"
    ))?;
    let mut runs = 0;
    let begun = Instant::now();
    let locked = stage.engine.session().retry(&SOON, |session| {
        runs += 1;
        Ok(C::withdraw(session, 1, 100)?)
    });
    let took = begun.elapsed();
    let error = locked.unwrap_err();
    holder.batch_execute("ROLLBACK")?;
    // (SQLite sleeps in steps, and gives up before one that would go beyond its time.)
    assert!(
        took >= Duration::from_millis(800) && took < FAR_BEYOND,
        "{took:?}: {error}"
    );
    names_the_deadline(&error, "1s");
    assert_eq!((runs, stage.balances()), (1, vec![500, 0]));
    stage.assert_whole();
    Ok(())
}

/// Nobody waits for the pool beyond the deadline either.
///
/// # Errors
///
/// None that the story expects.
pub fn a_connection_is_waited_for_until_the_deadline<C: Timed>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("pool", |builder| builder.pool_size(1).max_overflow(0));
    let held = stage.engine.raw_connection()?;
    let begun = Instant::now();
    let policy = RetryPolicy::new().deadline(Duration::from_millis(100));
    let waited = stage.engine.session().retry(&policy, |_| Ok(()));
    let error = waited.unwrap_err();
    assert!(begun.elapsed() < FAR_BEYOND, "{error}");
    assert!(
        error.is_pool_timeout() && error.outcome() == Some(Outcome::NotBegun),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.ends_with("its deadline of 100ms has come"), "{text}");
    drop(held);
    stage.assert_whole();
    Ok(())
}

/// The stories as tests of a binary.
#[macro_export]
macro_rules! deadline_stories {
    ($connection:ty $(, $($more:ident),*)?) => {
        $crate::tell!($connection, aludel_tests::deadlines, [
            each_attempt_gets_what_is_left,
            nothing_of_it_reaches_the_next_borrower,
            a_smaller_limit_of_the_connections_own_stays,
            the_engines_deadline_is_told_and_the_one_that_is_built_in_is_not,
            a_lock_is_waited_for_until_the_deadline,
            a_connection_is_waited_for_until_the_deadline,
            $($($more),*)?
        ]);
    };
}
