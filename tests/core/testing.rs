//! The fault script where the pool asks it, and the event log as users have it.
#![cfg(feature = "sqlite")]

use std::time::Duration;

use aludel::pool::PrePing;
use aludel::testing::{EventKind, EventLog, FaultScript, TestClock};
use aludel::{Class, Engine, ErrorKind, Phase};
use aludel_tests::sqlite::{self, TempDatabase};
use diesel::SqliteConnection;
use diesel::result::DatabaseErrorKind;

/// An engine on a file (a database in memory would not survive the loss of its connection) with a script, a log of all it
/// does, and a clock that the test turns.
fn scripted(file: &TempDatabase, pre_ping: PrePing) -> (Engine<SqliteConnection>, FaultScript, EventLog, TestClock) {
    let (script, log, clock) = (FaultScript::new(), EventLog::new(), TestClock::new());
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .pool_size(2)
        .pool_pre_ping(pre_ping)
        .pool_recycle(Duration::from_hours(1))
        .faults(script.clone())
        .listen(log.listener_of(&[EventKind::Pool, EventKind::Fault, EventKind::Damage]))
        .clock(clock.clock())
        .build()
        .expect("the options are sound");
    (engine, script, log, clock)
}

#[test]
fn a_scripted_connect_fails_as_a_drivers_would() {
    let file = sqlite::file();
    let (engine, script, log, _) = scripted(&file, PrePing::Never);
    script.fail_before(
        Phase::Connect,
        DatabaseErrorKind::Unknown,
        "unable to open database file",
    );
    let error = engine.raw_connection().unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Permanent));
    assert!(error.to_string().contains("unable to open database file"), "{error}");
    log.expect(&["connect failed"]);
    drop(engine.raw_connection().unwrap()); // it comes up once
    assert_eq!(script.remaining(), 0);
}

#[test]
fn a_scripted_connect_is_classified_and_may_fail_after_it_was_made() {
    let file = sqlite::file();
    let (engine, script, log, _) = scripted(&file, PrePing::Never);
    script.fail_after(Phase::Connect, DatabaseErrorKind::Unknown, "database is locked");
    assert_eq!(engine.raw_connection().unwrap_err().class(), Class::Busy);
    script.fail_before(Phase::Connect, DatabaseErrorKind::ClosedConnection, "it hung up");
    assert_eq!(engine.raw_connection().unwrap_err().class(), Class::Failover);
    log.expect(&["connect failed", "connect failed"]);
}

#[test]
fn a_scripted_ping_makes_the_pool_replace_the_connection() {
    let file = sqlite::file();
    let (engine, script, log, _) = scripted(&file, PrePing::Always);
    let first = engine.raw_connection().unwrap().id();
    log.clear();
    script.fail_before(Phase::Ping, DatabaseErrorKind::Unknown, "Server has gone away");
    let second = engine.raw_connection().unwrap();
    assert_ne!(first, second.id());
    drop(second);
    assert_eq!(log.of(EventKind::Fault), ["ping failed"]);
    assert_eq!(log.of(EventKind::Damage), ["invalidate"]);
    log.clear();
    script.fail_after(Phase::Ping, DatabaseErrorKind::Unknown, "Server has gone away");
    drop(engine.raw_connection().unwrap());
    assert_eq!(log.of(EventKind::Fault), ["ping failed"]);
}

#[test]
fn the_clock_is_turned_over_a_pool_recycle() {
    let file = sqlite::file();
    let (engine, _, log, clock) = scripted(&file, PrePing::Never);
    let first = engine.raw_connection().unwrap().id();
    clock.advance(Duration::from_hours(1));
    assert_eq!(engine.raw_connection().unwrap().id(), first);
    log.clear();
    clock.advance(Duration::from_secs(1));
    assert_ne!(engine.raw_connection().unwrap().id(), first);
    assert!(log.snapshot().iter().any(|line| line.contains("recycle")), "{log:?}");
}
