//! An r2d2 pool that a program has already, as an engine's pool.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::pool::{Adopted, PoolError};
use aludel::prelude::*;
use aludel::{EngineBuilder, ErrorKind};
use aludel_tests::{EventLog, sqlite};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ConnectionManager, Pool};

type Theirs = Pool<ConnectionManager<SqliteConnection>>;

const BRIEF: Duration = Duration::from_millis(50);

/// An r2d2 pool of that size on a file, as somebody else has set it up.
fn theirs(file: &sqlite::TempDatabase, size: u32) -> Theirs {
    let manager = ConnectionManager::new(file.path().display().to_string());
    let pool = Pool::builder().max_size(size).connection_timeout(BRIEF).build(manager);
    pool.expect("the file can be made")
}

fn ours(file: &sqlite::TempDatabase, theirs: &Theirs, log: &EventLog) -> EngineBuilder<SqliteConnection> {
    Engine::builder(file.url())
        .pool(Adopted(theirs.clone()))
        .pool_timeout(BRIEF)
        .listen(log.listener())
}

/// A mark that goes with the connection.
fn mark(connection: &mut SqliteConnection) {
    connection
        .batch_execute("CREATE TEMP TABLE mark (a)")
        .expect("it has none yet");
}

fn is_marked(connection: &mut SqliteConnection) -> bool {
    connection.batch_execute("SELECT * FROM mark").is_ok()
}

#[test]
fn engine_and_r2d2_share_the_connections() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 1);
    let engine = ours(&file, &theirs, &log).build()?;
    mark(&mut theirs.get().expect("it is idle"));
    let mut raw = engine.raw_connection()?;
    assert!(is_marked(&mut raw), "the very same connection");
    assert!(theirs.try_get().is_none(), "which nobody else has meanwhile");
    assert_eq!((engine.pool().kind(), raw.id()), ("AdoptedPool", 1));
    assert_eq!(engine.pool().holders()[0].connection, Some(1));
    drop(raw);
    assert!(is_marked(&mut theirs.get().expect("it is back")));

    engine.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a)")?))?;
    assert!(
        theirs
            .get()
            .expect("it is back")
            .batch_execute("SELECT * FROM t")
            .is_ok()
    );
    let raw = engine.raw_connection()?;
    assert_eq!(
        (raw.id(), engine.pool().holders()[0].connection),
        (1, Some(1)),
        "known again"
    );
    drop(raw);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn a_connection_is_prepared_when_the_engine_first_sees_it() -> aludel::Result<()> {
    let (file, log, prepared) = (sqlite::file(), EventLog::new(), Arc::new(AtomicU32::new(0)));
    let theirs = theirs(&file, 1);
    let count = Arc::clone(&prepared);
    let builder = ours(&file, &theirs, &log).on_connect(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let engine = builder.build()?;
    for _ in 0..3 {
        drop(engine.raw_connection()?);
        drop(theirs.get().expect("they use it in between"));
    }
    assert_eq!(prepared.load(Ordering::Relaxed), 1);
    let lines = log.take();
    assert_eq!(lines.iter().filter(|line| *line == "connect").count(), 1, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "checkout").count(), 3, "{lines:?}");
    assert!(!lines.contains(&"close".to_owned()), "none was closed: {lines:?}");
    Ok(())
}

#[test]
fn an_open_transaction_is_not_their_next_borrowers() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 1);
    let engine = ours(&file, &theirs, &log).build()?;
    engine.raw_connection()?.batch_execute("BEGIN; CREATE TABLE t (a)")?;
    let mut next = theirs.get().expect("it is back");
    next.batch_execute("BEGIN").expect("no transaction is open");
    assert!(next.batch_execute("SELECT * FROM t").is_err(), "it was rolled back");
    Ok(())
}

#[test]
fn what_is_invalidated_here_is_closed_there() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 1);
    let engine = ours(&file, &theirs, &log)
        .pool_timeout(Duration::from_secs(30))
        .build()?;
    let mut raw = engine.raw_connection()?;
    mark(&mut raw);
    raw.invalidate("a test wants it so");
    let mut next = engine.raw_connection()?;
    assert!(!is_marked(&mut next), "another one");
    assert_eq!(next.id(), 2);
    drop(next);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn what_is_retired_here_is_closed_there() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 3);
    let engine = ours(&file, &theirs, &log)
        .pool_timeout(Duration::from_secs(30))
        .build()?;
    let mut held: Vec<_> = (0..3).map(|_| engine.raw_connection()).collect::<Result<_, _>>()?;
    for raw in &mut held {
        mark(raw);
    }
    drop(held);
    assert!(engine.pool().retire(0, "the server was restarted, say"));
    let mut held: Vec<_> = (0..3).map(|_| engine.raw_connection()).collect::<Result<_, _>>()?;
    assert!(!held.iter_mut().any(|raw| is_marked(raw)), "none of the old ones");
    drop(held);
    let recycled = log.take().iter().filter(|line| *line == "recycle (retired)").count();
    assert_eq!(recycled, 3);
    Ok(())
}

#[test]
fn a_loan_is_pinged_if_the_engine_is_told_to() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 1);
    let engine = ours(&file, &theirs, &log).pool_pre_ping(PrePing::Always).build()?;
    drop(engine.raw_connection()?);
    assert!(
        !log.take().contains(&"ping".to_owned()),
        "the engine has just prepared it"
    );
    drop(engine.raw_connection()?);
    assert_eq!(log.take().iter().filter(|line| *line == "ping").count(), 1);
    Ok(())
}

#[test]
fn a_timeout_of_theirs_is_one_of_ours() -> aludel::Result<()> {
    let (file, log) = (sqlite::file(), EventLog::new());
    let theirs = theirs(&file, 2);
    let engine = ours(&file, &theirs, &log).build()?;
    let (taken, _mine) = (theirs.get().expect("it is idle"), engine.raw_connection()?);
    log.take();
    let error = engine.raw_connection().expect_err("both are in use");
    assert_eq!((error.kind(), error.is_pool_timeout()), (ErrorKind::PoolTimeout, true));
    let Some(PoolError::Timeout {
        size, holders, waited, ..
    }) = error.source().and_then(|source| source.downcast_ref())
    else {
        panic!("{error}")
    };
    assert_eq!(
        (*size, holders.len()),
        (2, 1),
        "the other one is with people we do not know"
    );
    assert!(*waited > BRIEF / 2 && *waited <= BRIEF, "{waited:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("AdoptedPool limit of size 2 overflow 0 reached"),
        "{text}"
    );
    assert!(text.contains("adopted.rs:"), "{text}");
    log.expect(&["pool timeout"]);
    drop(taken);
    drop(engine.raw_connection()?);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn a_database_that_is_not_there_is_told_as_such() -> aludel::Result<()> {
    let manager = ConnectionManager::<SqliteConnection>::new("/nowhere/at/all/bank.db");
    let theirs = Pool::builder().max_size(1).min_idle(Some(0)).build_unchecked(manager);
    let engine = Engine::builder("sqlite:///nowhere/at/all/bank.db")
        .pool(Adopted(theirs))
        .pool_timeout(Duration::from_secs(2)) // r2d2 reports it no sooner
        .build()?;
    let error = engine.raw_connection().expect_err("there is no such folder");
    assert_eq!((error.kind(), error.is_pool_timeout()), (ErrorKind::Connect, false));
    assert!(error.to_string().to_lowercase().contains("unable to open"), "{error}");
    engine.pool().assert_invariants();
    Ok(())
}
