//! A pool of r2d2's as an engine's: what the engine knows of a connection holds while r2d2 has it.
#![cfg(feature = "sqlite")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aludel::clock::Clock;
use aludel::pool::Adopted;
use aludel::{Engine, EngineBuilder};

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};

type Theirs = Pool<ConnectionManager<SqliteConnection>>;

fn theirs(size: u32) -> Theirs {
    // r2d2 tests nothing by itself, so whoever does is the engine.
    let builder = Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false);
    builder
        .build(ConnectionManager::new(":memory:"))
        .expect("it connects to nothing yet")
}

fn engine(theirs: &Theirs) -> EngineBuilder<SqliteConnection> {
    Engine::builder("sqlite://:memory:").pool(Adopted(theirs.clone()))
}

/// Leaves something in the database of an engine's next connection, which is its own.
fn mark(engine: &Engine<SqliteConnection>) {
    let mut raw = engine.raw_connection().expect("r2d2 has one");
    diesel::sql_query("CREATE TABLE mark (a INTEGER)")
        .execute(&mut *raw)
        .expect("the database is empty");
}

fn is_marked(engine: &Engine<SqliteConnection>) -> bool {
    let mut raw = engine.raw_connection().expect("r2d2 has one");
    diesel::sql_query("SELECT * FROM mark").execute(&mut *raw).is_ok()
}

#[test]
fn a_connection_is_known_again() {
    let theirs = theirs(1);
    let engine = engine(&theirs).build().unwrap();
    mark(&engine);
    assert!(is_marked(&engine));
    assert_eq!(engine.raw_connection().unwrap().id(), 1);
}

#[test]
fn an_old_one_is_replaced() {
    let (clock, time) = Clock::test();
    let theirs = theirs(1);
    let engine = engine(&theirs)
        .pool_recycle(Duration::from_mins(1))
        .clock(clock)
        .build()
        .unwrap();
    mark(&engine);
    time.advance(Duration::from_secs(59));
    assert!(is_marked(&engine));
    time.advance(Duration::from_secs(2));
    assert!(!is_marked(&engine));
}

#[test]
fn one_that_was_softly_invalidated_is_closed_by_r2d2() {
    let theirs = theirs(1);
    let engine = engine(&theirs).build().unwrap();
    mark(&engine);
    engine.raw_connection().unwrap().soft_invalidate("for a test");
    assert!(!is_marked(&engine));
}

/// The next engine may well lie where the last one lay.
#[test]
fn another_engine_prepares_it_anew() {
    let theirs = theirs(1);
    let prepared = Arc::new(Mutex::new(Vec::new()));
    for number in 0..50 {
        let told = Arc::clone(&prepared);
        let engine = engine(&theirs)
            .on_connect(move |_, _| {
                told.lock().unwrap().push(number);
                Ok(())
            })
            .build()
            .unwrap();
        drop(engine.raw_connection().unwrap());
        drop(engine.raw_connection().unwrap());
        assert_eq!(engine.pool().generation(), 0);
    }
    assert_eq!(*prepared.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn one_that_could_not_be_prepared_is_closed_by_r2d2() {
    let theirs = theirs(1);
    let spoilt = engine(&theirs)
        .on_connect(|raw, _| {
            diesel::sql_query("CREATE TABLE mark (a INTEGER)").execute(raw)?;
            Err(aludel::Error::misuse("half-way"))
        })
        .build()
        .unwrap();
    assert!(spoilt.raw_connection().is_err());
    assert!(!is_marked(&engine(&theirs).build().unwrap()));
}
