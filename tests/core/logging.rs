//! What an engine and its pool write into the log (`test_logging.py`).

use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{Echo, EngineBuilder};
use aludel_tests::capture::{Capture, is_alone, printed_by};
use aludel_tests::sqlite;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use tracing::Level;

fn memory() -> EngineBuilder<SqliteConnection> {
    Engine::builder(sqlite::shared()).pool_size(1).max_overflow(0)
}

#[test]
fn queuepool_logging() -> aludel::Result<()> {
    let capture = Capture::new(Level::DEBUG);
    capture.during(|| {
        let engine = memory().build()?;
        drop(engine.raw_connection()?);
        drop(engine.raw_connection()?);
        engine.raw_connection()?.invalidate("no longer wanted");
        Ok::<_, aludel::Error>(())
    })?;
    assert_eq!(
        capture.lines("aludel.pool"),
        [
            "DEBUG Created new connection 1",
            "DEBUG Connection 1 checked out from pool",
            "DEBUG Connection 1 rollback-on-return",
            "DEBUG Connection 1 being returned to pool",
            "DEBUG Connection 1 checked out from pool",
            "DEBUG Connection 1 rollback-on-return",
            "DEBUG Connection 1 being returned to pool",
            "DEBUG Connection 1 checked out from pool",
            "INFO Invalidate connection 1 (reason: no longer wanted)",
            "DEBUG Closing connection 1",
        ]
    );
    Ok(())
}

#[test]
fn what_a_pool_invalidates_is_told_at_info_and_who_waits_in_vain_at_warn() -> aludel::Result<()> {
    let capture = Capture::new(Level::INFO);
    capture.during(|| {
        let (clock, _) = Clock::test();
        let engine = memory().clock(clock).pool_timeout(Duration::ZERO).build()?;
        let held = engine.raw_connection()?;
        engine.raw_connection().expect_err("there is only one");
        held.invalidate("spoilt");
        Ok::<_, aludel::Error>(())
    })?;
    assert_eq!(
        capture.lines("aludel.pool"),
        [
            "WARN Connection timed out: none came back to the pool in 0.00 s",
            "INFO Invalidate connection 1 (reason: spoilt)",
        ]
    );
    Ok(())
}

#[test]
fn named_logger_names() -> aludel::Result<()> {
    let capture = Capture::new(Level::DEBUG);
    let engine = memory().logging_name("bank").pool_logging_name("tills").build()?;
    assert_eq!((engine.logging_name(), engine.pool_logging_name()), ("bank", "tills"));
    for _ in 0..2 {
        // It is kept over dispose.
        capture.during(|| engine.begin(|session| Ok(session.batch_execute("SELECT 1")?)))?;
        for (target, name) in [("aludel.engine", "bank"), ("aludel.pool", "tills")] {
            let events = capture.events(target);
            assert!(!events.is_empty(), "{target}");
            for event in events {
                assert_eq!(event.field("engine"), Some(name), "{event:?}");
            }
        }
        engine.dispose();
    }
    Ok(())
}

#[test]
fn unnamed_logger_names() -> aludel::Result<()> {
    let (first, second) = (memory().build()?, memory().build()?);
    assert_ne!(first.logging_name(), second.logging_name());
    assert_eq!(first.logging_name(), first.clone().logging_name());
    assert_eq!(first.logging_name(), first.pool_logging_name());
    assert!(first.logging_name().starts_with('e'), "{}", first.logging_name());
    Ok(())
}

#[test]
fn levels() -> aludel::Result<()> {
    let (first, second) = (memory().build()?, memory().echo(true).build()?);
    assert_eq!((first.echo(), second.echo()), (Echo::Off, Echo::On));
    let shown = |engine: &Engine<SqliteConnection>, level| {
        let capture = Capture::new(level);
        capture.during(|| engine.begin(|session| Ok(session.batch_execute("SELECT 1")?)))?;
        Ok::<_, aludel::Error>(capture.lines("aludel.engine"))
    };
    let (info, debug) = (
        ["INFO BEGIN (implicit)", "INFO SELECT 1", "INFO COMMIT"],
        ["DEBUG BEGIN (implicit)", "DEBUG SELECT 1", "DEBUG COMMIT"],
    );
    assert!(shown(&first, Level::INFO)?.is_empty());
    assert_eq!(shown(&first, Level::DEBUG)?, debug);
    assert_eq!(shown(&second, Level::INFO)?, info);
    // Engines are independent, and both can be changed while they live.
    first.clone().set_echo(true);
    second.set_echo(false);
    assert_eq!(shown(&first, Level::INFO)?, info);
    assert!(shown(&second, Level::INFO)?.is_empty());
    Ok(())
}

#[test]
fn echo_prints_without_a_subscriber() -> aludel::Result<()> {
    const THIS: &str = "logging::echo_prints_without_a_subscriber";
    if !is_alone() {
        assert_eq!(
            printed_by(THIS).lines(),
            [
                "INFO  aludel.engine.bank #1 BEGIN (implicit)",
                "INFO  aludel.engine.bank #1 SELECT 1",
                "INFO  aludel.engine.bank #1 ROLLBACK",
                "INFO  aludel.pool.bank #1 Invalidate connection 1 (reason: spoilt)",
                "DEBUG aludel.pool.bank #2 Created new connection 2",
                "DEBUG aludel.pool.bank #2 Connection 2 checked out from pool",
                "DEBUG aludel.pool.bank #2 Connection 2 being returned to pool",
            ]
        );
        return Ok(());
    }
    let engine = memory().logging_name("bank").build()?;
    engine.begin(|session| Ok(session.batch_execute("SELECT 0")?))?; // nobody has asked yet
    engine.set_echo(true);
    let mut session = engine.session();
    session.batch_execute("SELECT 1")?;
    session.rollback()?;
    engine.set_echo(Echo::Off);
    engine.set_echo_pool(true); // checkouts are more than that
    engine.raw_connection()?.invalidate("spoilt");
    engine.set_echo_pool(Echo::Debug);
    drop(engine.pool().checkout().expect("there is room"));
    engine.set_echo_pool(false);
    // Where somebody listens, nothing is printed.
    engine.set_echo(true);
    Capture::new(Level::INFO).during(|| engine.begin(|session| Ok(session.batch_execute("SELECT 2")?)))?;
    engine.set_echo(false);
    Ok(())
}

#[test]
fn the_pool_counts_under_opentelemetrys_names() -> aludel::Result<()> {
    let (clock, time) = Clock::test();
    let engine = memory()
        .logging_name("bank")
        .clock(clock)
        .pool_timeout(Duration::ZERO)
        .pool_metrics(true)
        .build()?;
    let capture = Capture::new(Level::DEBUG);
    capture.during(|| {
        let held = engine.raw_connection()?;
        time.advance(Duration::from_secs(3));
        engine.raw_connection().expect_err("there is only one");
        let metrics = engine.metrics();
        assert_eq!((metrics.idle, metrics.used, metrics.timeouts), (0, 1, Some(1)));
        assert_eq!((metrics.idle_max, metrics.idle_min, metrics.max), (Some(1), 0, Some(1)));
        drop(held);
        Ok::<_, aludel::Error>(())
    })?;
    let metrics = engine.metrics();
    assert_eq!((metrics.idle, metrics.used, metrics.pending_requests), (1, 0, 0));
    let usage = metrics.use_time.expect("it is measured");
    assert_eq!(
        (usage.count, usage.total, usage.max),
        (1, Duration::from_secs(3), Duration::from_secs(3))
    );
    assert_eq!(metrics.create_time.expect("it is measured").count, 1);
    assert_eq!(metrics.wait_time.expect("it is measured").total, Duration::ZERO);
    let text = metrics.to_string();
    for line in [
        "db.client.connection.count{pool=\"bank\",state=\"idle\"} 1",
        "db.client.connection.count{pool=\"bank\",state=\"used\"} 0",
        "db.client.connection.max{pool=\"bank\"} 1",
        "db.client.connection.timeouts{pool=\"bank\"} 1",
        "db.client.connection.use_time_sum{pool=\"bank\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    // The same as events, in the names by which tracing-opentelemetry makes instruments of them.
    let events = capture.events("aludel.metrics");
    let field = |name: &str| events.iter().find_map(|event| event.field(name)).map(str::to_owned);
    assert_eq!(
        field("monotonic_counter.db.client.connection.timeouts").as_deref(),
        Some("1")
    );
    assert_eq!(field("histogram.db.client.connection.use_time").as_deref(), Some("3.0"));
    assert!(field("histogram.db.client.connection.create_time").is_some());
    assert!(field("histogram.db.client.connection.wait_time").is_some());
    assert!(
        events
            .iter()
            .all(|event| event.field("db.client.connection.pool.name") == Some("bank"))
    );
    // Who has not asked pays nothing, and gets what the pool knows anyway.
    let plain = memory().build()?;
    assert_eq!((plain.metrics().timeouts, plain.metrics().used), (None, 0));
    Ok(())
}

#[test]
fn a_checkout_has_a_span_with_opentelemetrys_names() -> aludel::Result<()> {
    let capture = Capture::new(Level::DEBUG);
    let file = sqlite::file();
    capture.during(|| {
        let engine = Engine::<SqliteConnection>::builder(file.url())
            .pool_logging_name("tills")
            .build()?;
        drop(engine.raw_connection()?);
        Ok::<_, aludel::Error>(())
    })?;
    let spans = capture.spans("checkout");
    assert_eq!(spans.len(), 1);
    for (name, value) in [
        ("db.system.name", "sqlite"),
        ("db.client.connection.pool.name", "tills"),
        ("db.client.connection.id", "1"),
    ] {
        assert_eq!(spans[0].field(name), Some(value), "{name}");
    }
    Ok(())
}
