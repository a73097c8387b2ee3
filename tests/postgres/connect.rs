//! No connection can be made: at once, with the cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome};
use aludel_tests::{EventLog, ports, postgres, stories};
use diesel::PgConnection;

use crate::bank::look;

/// An engine whose clock only moves when somebody sleeps.
fn engine(url: &str) -> (Engine<PgConnection>, TestClock, EventLog) {
    let ((clock, test), log) = (Clock::test(), EventLog::new());
    let engine = Engine::builder(url)
        .clock(clock)
        .pool_timeout(Duration::from_hours(1))
        .listen(stories::listener(&log))
        .build()
        .expect("the URL is a good one");
    (engine, test, log)
}

#[track_caller]
fn nobody_waited(engine: &Engine<PgConnection>, test: &TestClock, log: &EventLog) {
    assert!(test.slept().is_empty(), "{:?}", test.slept());
    log.expect(&["connect failed"]);
    engine.pool().assert_invariants();
    assert_eq!(engine.pool().checkedout(), 0);
}

#[retry(deadline = "1s")]
fn visit(session: &mut Session<PgConnection>) -> aludel::Result<bool> {
    Ok(look(session)?)
}

#[test]
fn connection_refused_answers_at_once_with_the_cause() {
    let url = format!("postgres://nobody:secret@127.0.0.1:{}/bank", ports::free());
    let (engine, test, log) = engine(&url);
    let error = engine.begin(|session| Ok(look(session)?)).unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Failover));
    assert_eq!(error.outcome(), Some(Outcome::NotBegun));
    let text = error.to_string();
    assert!(
        text.starts_with("no connection could be made: ") && text.contains("Connection refused"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    nobody_waited(&engine, &test, &log);

    // As you go, and through Diesel's error, too.
    let error = Error::from(look(&mut engine.session()).unwrap_err());
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Failover));
    nobody_waited(&engine, &test, &log);
}

#[test]
fn a_retry_function_waits_for_the_host_until_its_deadline_and_then_tells_the_cause() {
    let url = format!("postgres://nobody:secret@127.0.0.1:{}/bank", ports::free());
    let (engine, test, log) = engine(&url);
    let error = visit(&mut engine.session()).unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let waited: Duration = test.slept().iter().sum();
    assert!(
        waited <= Duration::from_secs(1) && waited > Duration::from_millis(900),
        "{waited:?}"
    );
    let reruns = log
        .take()
        .iter()
        .filter(|line| line.starts_with("rerun visit, attempt 1,"))
        .count();
    assert!(reruns > 30, "waiting uses up no attempt: {reruns}");
}

#[test]
fn a_retry_function_goes_on_when_the_host_is_back() {
    let server = Arc::new(postgres::private());
    let database = server.database("back");
    let failures = Arc::new(AtomicU32::new(0));
    let (down, counter) = (Arc::clone(&server), Arc::clone(&failures));
    let engine = Engine::<PgConnection>::builder(database.url())
        .clock(Clock::test().0)
        .listen(move |event| {
            // The administrator looks at the log after the tenth failure.
            if matches!(event, Event::ConnectFailed { .. }) && counter.fetch_add(1, Ordering::Relaxed) == 9 {
                down.start();
            }
        })
        .build()
        .expect("the URL is a good one");
    look(&mut engine.session()).expect("the server is alive");
    server.kill_9();
    assert!(visit(&mut engine.session()).expect("it is back within the deadline"));
    assert_eq!(failures.load(Ordering::Relaxed), 10);
    engine.pool().assert_invariants();
    assert_eq!(engine.pool().checkedout(), 0);
}

#[test]
fn a_wrong_password_is_permanent_and_told_at_once() {
    let server = postgres::server();
    let database = server.database("password");
    let url = database.url().replace(server.password(), "wr0ng-p4ssw0rd");
    let (engine, test, log) = engine(&url);
    let error = visit(&mut engine.session()).unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Permanent));
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("password authentication failed for user \"aludel\""),
        "{text}"
    );
    assert!(!format!("{text}{error:?}").contains("wr0ng"), "{text}");
    nobody_waited(&engine, &test, &log);
}

#[test]
fn a_database_that_does_not_exist_is_permanent() {
    let (engine, test, log) = engine(&postgres::server().url("no_such_bank"));
    let error = visit(&mut engine.session()).unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(
        error.to_string().contains("database \"no_such_bank\" does not exist"),
        "{error}"
    );
    nobody_waited(&engine, &test, &log);
}

#[test]
fn a_database_without_room_is_busy() {
    let server = postgres::server();
    let database = server.database("full");
    server.execute(&format!("ALTER DATABASE \"{}\" CONNECTION LIMIT 1", database.name()));
    let (full, _, _) = engine(database.url());
    let mut first = full.session();
    look(&mut first).expect("there is one place");
    let (engine, _, _) = engine(database.url());
    let error = engine.begin(|session| Ok(look(session)?)).unwrap_err();
    assert_eq!(error.class(), Class::Busy, "{error}");
    assert!(
        error.to_string().contains("too many connections for database"),
        "{error}"
    );
}
