//! What is told of a retry: on its error, to listeners, and in the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Backoff, Event, Phase, RetryEnd, RetryPolicy, RetryReport};
use aludel_tests::capture::Capture;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

/// An engine in memory, and the reports that its listener was given.
struct House {
    engine: Engine<SqliteConnection>,
    script: FaultScript,
    clock: TestClock,
    ended: Arc<Mutex<Vec<(String, RetryReport)>>>,
}

const QUICK: RetryPolicy = RetryPolicy::new()
    .deadline(Duration::from_secs(10))
    .backoff(Backoff::NONE);

impl House {
    fn new() -> Self {
        let (time, clock) = Clock::test();
        let script = FaultScript::new();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&ended);
        let engine = Engine::builder("sqlite://:memory:")
            .clock(time)
            .faults(script.clone())
            .listen(move |event| {
                if let Event::RetryEnded { function, report } = event {
                    let mut heard = heard.lock().expect("nobody panics while it is held");
                    heard.push(((*function).to_owned(), (*report).clone()));
                }
            })
            .build()
            .expect("the URL is sound");
        Self {
            engine,
            script,
            clock,
            ended,
        }
    }

    fn fails(&self, phase: Phase, text: &str) {
        self.script.fail_before(phase, DatabaseErrorKind::Unknown, text);
    }

    fn select(&self, policy: &RetryPolicy) -> aludel::Result<()> {
        self.engine
            .session()
            .retry(policy, |session| Ok(session.batch_execute("SELECT 1")?))
    }

    fn heard(&self) -> Vec<(String, RetryReport)> {
        std::mem::take(&mut *self.ended.lock().expect("nobody panics while it is held"))
    }
}

/// Attempt, class, words and number of each failure.
fn failures(report: &RetryReport) -> Vec<(u32, Class, &str, u64)> {
    let each = report.failures().iter();
    each.map(|failed| (failed.attempt(), failed.class(), failed.cause(), failed.times()))
        .collect()
}

#[test]
fn an_error_has_every_attempt_its_cause_and_why_no_more_was_tried() {
    let house = House::new();
    house.fails(Phase::Begin, "database is locked");
    house.fails(Phase::Statement, "database is locked");
    house.fails(Phase::Statement, "disk I/O error");
    let policy = QUICK.backoff(Backoff::exponential(
        Duration::from_millis(40),
        Duration::from_millis(40),
    ));
    let error = house.select(&policy).unwrap_err();
    let report = error.retry_report().expect("a retry was involved");
    assert_eq!((report.attempts(), report.end()), (3, RetryEnd::NotRerun));
    assert_eq!(
        failures(report),
        [
            (1, Class::Retry, "database is locked", 2),
            (3, Class::Permanent, "disk I/O error", 1)
        ]
    );
    let slept: Duration = house.clock.slept().iter().sum();
    assert_eq!((report.slept(), report.elapsed()), (slept, slept));
    assert!(report.waited_for_host().is_zero() && report.left_out() == 0);
    let text = error.to_string();
    let line =
        format!("; tried 3 times in {slept:.1?} ({slept:.1?} of it asleep), and given up: this is not run again");
    assert!(text.starts_with("disk I/O error") && text.ends_with(&line), "{text}");
    let heard = house.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].0.as_str(), &heard[0].1), ("closure", report));
}

#[test]
fn a_success_on_a_later_attempt_is_told_too_and_one_on_the_first_is_not() {
    #[retry(attempts = 3)]
    fn read(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        Ok(session.batch_execute("SELECT 1")?)
    }
    let house = House::new();
    read(&mut house.engine.session()).expect("nothing fails");
    assert_eq!(house.heard(), []);
    house.fails(Phase::Begin, "database is locked");
    house.fails(Phase::Statement, "database table is locked");
    read(&mut house.engine.session()).expect("the third attempt is let alone");
    let heard = house.heard();
    let (function, report) = &heard[0];
    assert_eq!((heard.len(), function.as_str(), report.attempts()), (1, "read", 3));
    assert!(report.succeeded());
    assert_eq!(
        failures(report),
        [
            (1, Class::Retry, "database is locked", 1),
            (2, Class::Retry, "database table is locked", 1)
        ]
    );
}

#[test]
fn an_error_that_was_not_worth_a_second_attempt_is_no_news() {
    let house = House::new();
    house.fails(Phase::Statement, "disk I/O error");
    let error = house.select(&QUICK).unwrap_err();
    assert_eq!(error.attempts(), Some(1));
    assert_eq!(error.retry_report().unwrap().end(), RetryEnd::NotRerun);
    assert!(!error.to_string().contains("tried"), "{error}");
    assert_eq!(house.heard(), []);
    // One that has joined is the affair of whoever began.
    let error = house
        .engine
        .begin(|session| session.retry(&QUICK, |_| Err::<(), _>(aludel::Error::other("no"))));
    assert!(error.unwrap_err().retry_report().is_none());
}

#[test]
fn an_error_type_of_the_callers_own_takes_no_report_and_listeners_hear_it_all_the_same() {
    #[derive(Debug)]
    struct Own;
    impl From<aludel::Error> for Own {
        fn from(_: aludel::Error) -> Self {
            Self
        }
    }
    #[retry(attempts = 2)]
    fn read(session: &mut Session<SqliteConnection>) -> Result<(), Own> {
        session.batch_execute("SELECT 1").map_err(|_| Own)
    }
    let house = House::new();
    house.fails(Phase::Statement, "database is locked");
    house.fails(Phase::Statement, "database is locked");
    read(&mut house.engine.session()).expect_err("it stays locked");
    let heard = house.heard();
    assert_eq!((heard.len(), heard[0].1.end()), (1, RetryEnd::Attempts));
}

#[test]
fn whoever_is_told_to_stop_in_a_pause_gets_the_exit_and_what_was_tried() {
    let house = House::new();
    house.fails(Phase::Statement, "database is locked");
    let token = house.engine.cancel_token();
    let _stop = house.engine.listen(move |event| {
        if matches!(event, Event::Rollback { .. }) {
            token.cancel("shutting down");
        }
    });
    let error = house.select(&QUICK).unwrap_err();
    assert_eq!(error.to_string(), "exit: shutting down");
    let report = error.retry_report().expect("a retry was stopped");
    assert_eq!((report.attempts(), report.end()), (2, RetryEnd::Cancelled));
    assert_eq!(house.heard().len(), 1);
}

#[test]
fn the_log_has_one_line_at_the_end_of_a_retry_that_ran_again() {
    let house = House::new();
    let capture = Capture::new(tracing::Level::INFO);
    capture.during(|| {
        house.select(&QUICK).expect("nothing fails");
        house.fails(Phase::Statement, "database is locked");
        house.select(&QUICK).expect("the second attempt is let alone");
        for _ in 0..2 {
            house.fails(Phase::Statement, "database is locked");
        }
        house.select(&QUICK.attempts(2)).expect_err("it stays locked");
    });
    let mut ends = capture.lines("aludel.session");
    ends.retain(|line| line.contains("closure has"));
    assert_eq!(
        ends,
        [
            "INFO closure has succeeded, tried 2 times in 0.0ns; what had failed: retry: database is locked",
            "WARN closure has failed, tried 2 times in 0.0ns, and given up; what had failed: retry: database is locked (2 times)",
        ]
    );
}
