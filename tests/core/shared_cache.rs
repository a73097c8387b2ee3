//! One SQLite database in memory for several connections.
#![cfg(feature = "sqlite")]

use std::time::Duration;

use aludel::{Engine, ErrorKind};
use aludel_tests::EventLog;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

diesel::table! {
    notes (n) {
        n -> Integer,
    }
}

fn engine(name: &str) -> Engine<SqliteConnection> {
    Engine::shared_cache(name)
        .pool_timeout(Duration::ZERO)
        .build()
        .expect("the name is a good one")
}

fn write(engine: &Engine<SqliteConnection>) {
    let mut raw = engine.raw_connection().expect("it connects");
    raw.batch_execute("CREATE TABLE notes (n INTEGER PRIMARY KEY); INSERT INTO notes VALUES (1), (2)")
        .expect("the database is empty");
}

fn count(engine: &Engine<SqliteConnection>) -> diesel::QueryResult<i64> {
    notes::table
        .count()
        .get_result(&mut *engine.raw_connection().expect("it connects"))
}

#[test]
fn several_connections_see_one_database() {
    let engine = engine("several");
    write(&engine);
    let held: Vec<_> = (0..8).map(|_| engine.raw_connection().unwrap()).collect();
    assert_eq!(engine.pool().checkedout(), 8); // the default of any other database: 5 and 10 more
    for mut raw in held {
        assert_eq!(notes::table.count().get_result::<i64>(&mut *raw), Ok(2));
    }
}

#[test]
fn data_outlives_the_pools_connections() {
    let (engine, log) = {
        let log = EventLog::new();
        let engine = Engine::<SqliteConnection>::shared_cache("outlives").listen(log.listener());
        (engine.build().unwrap(), log)
    };
    write(&engine);
    engine.dispose();
    assert_eq!((engine.pool().checkedin(), engine.pool().checkedout()), (0, 0));
    assert_eq!(count(&engine), Ok(2));
    engine.raw_connection().unwrap().invalidate("for a test");
    assert_eq!(count(&engine), Ok(2));
    let connects = log.snapshot().iter().filter(|line| *line == "connect").count();
    assert_eq!(connects, 3); // the keeper is none of the pool's
}

#[test]
fn engines_of_one_name_see_the_same_data_and_others_do_not() {
    let (first, second, other) = (engine("same"), engine("same"), engine("another"));
    write(&first);
    assert_eq!(count(&second), Ok(2));
    assert!(count(&other).is_err());
    drop(first); // the one that connected first
    second.dispose();
    assert_eq!(count(&second), Ok(2));
}

#[test]
fn after_the_last_engine_a_name_starts_empty() {
    let first = engine("once");
    write(&first);
    let clone = first.clone();
    drop(first);
    assert_eq!(count(&clone), Ok(2));
    drop(clone);
    let next = engine("once");
    assert!(count(&next).is_err());
    write(&next); // there is no such table
}

#[test]
fn an_engine_keeps_nothing_before_its_first_connection() {
    let idle = engine("idle");
    let other = engine("idle");
    write(&other);
    drop(other);
    assert!(count(&idle).is_err()); // nobody had kept it for this one
}

#[test]
fn a_url_that_names_a_shared_database_is_kept_as_well() {
    let engine = Engine::<SqliteConnection>::new("sqlite://by_url?mode=memory&cache=shared").unwrap();
    write(&engine);
    engine.dispose();
    assert_eq!(count(&engine), Ok(2));
    let by_name = Engine::<SqliteConnection>::shared_cache("by_url").build().unwrap();
    assert_eq!(by_name.url(), engine.url());
    assert_eq!(count(&by_name), Ok(2));
    let nameless = Engine::<SqliteConnection>::new("sqlite://:memory:?cache=shared").unwrap();
    let held = nameless.raw_connection().unwrap();
    write(&nameless);
    drop(held);
    nameless.dispose();
    assert_eq!(count(&nameless), Ok(2));
}

#[test]
fn names_are_taken_as_they_are_or_refused() {
    for name in ["a b", "50%", "what?mode=ro", "a&b#c", "über", "x.db"] {
        let engine = engine(name);
        assert_eq!(engine.url().sqlite_path(), Some(name));
        write(&engine);
        engine.dispose();
        assert_eq!(count(&engine), Ok(2), "{name}");
    }
    assert_eq!(std::fs::exists("x.db").ok(), Some(false)); // it is in memory
    for name in ["", "a/b", ":memory:", "a\0b"] {
        let error = Engine::<SqliteConnection>::shared_cache(name).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}: {error}");
        assert!(error.to_string().contains("name"), "{error}");
    }
}
