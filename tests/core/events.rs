//! Who is told of what, in which order, and what becomes of a listener that fails (`EngineEventsTest`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{EngineBuilder, Phase, event};
use aludel_tests::capture::Capture;
use aludel_tests::{EventLog, stories};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use tracing::Level;

fn memory() -> EngineBuilder<SqliteConnection> {
    Engine::builder("sqlite://").pool_size(2).max_overflow(0)
}

/// Writes a name for each event of a kind.
fn writer(log: &EventLog, name: &'static str, kind: &'static str) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let log = log.clone();
    move |event| {
        if format!("{event:?}").starts_with(kind) {
            log.push(name);
        }
    }
}

#[test]
fn engine_connect() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory()
        .listen(writer(&log, "engine connect", "EngineConnect"))
        .build()?;
    let mut connection = engine.connect();
    log.expect(&[]); // it takes no raw connection before it needs one
    connection.batch_execute("SELECT 1")?;
    connection.batch_execute("SELECT 2")?;
    log.expect(&["engine connect"]);
    connection.close()?;
    connection.batch_execute("SELECT 3")?;
    log.expect(&["engine connect"]);
    Ok(())
}

#[test]
fn per_engine_independence() -> aludel::Result<()> {
    let log = EventLog::new();
    let first = memory().listen(writer(&log, "first", "Checkout")).build()?;
    let second = memory().listen(writer(&log, "second", "Checkout")).build()?;
    drop((
        first.raw_connection()?,
        second.raw_connection()?,
        first.raw_connection()?,
    ));
    log.expect(&["first", "second", "first"]);
    Ok(())
}

#[test]
fn per_engine_plus_global() -> aludel::Result<()> {
    let log = EventLog::new();
    let (first, second) = (memory().build()?, memory().build()?);
    let on_first = first.listen(writer(&log, "first", "Checkout"));
    // The other tests' engines are told to it as well, and it knows ours by name.
    let (into, ours) = (
        log.clone(),
        [first.logging_name().to_owned(), second.logging_name().to_owned()],
    );
    let everywhere = event::listen_all(move |engine, event| {
        if matches!(event, Event::Checkout { .. }) && ours.iter().any(|name| name == engine) {
            into.push("everywhere");
        }
    });
    drop((first.raw_connection()?, second.raw_connection()?));
    log.expect(&["everywhere", "first", "everywhere"]);
    drop(everywhere);
    drop((first.raw_connection()?, second.raw_connection()?));
    log.expect(&["first"]);
    drop(on_first);
    drop(first.raw_connection()?);
    log.expect(&[]);
    Ok(())
}

#[test]
fn per_connection_plus_engine() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory().listen(writer(&log, "set", "SetExecutionOptions")).build()?;
    let mut connection = engine.connect();
    connection.set_logging_token(Some("one"));
    engine.session().set_skip_user_error_events(true);
    log.expect(&["set", "set"]);
    Ok(())
}

#[test]
fn add_event_after_connect() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory().build()?;
    let mut connection = engine.connect();
    connection.batch_execute("SELECT 1")?;
    let listening = engine.listen_statements(writer(&log, "statement", "Statement"));
    connection.batch_execute("SELECT 2")?;
    drop(listening);
    connection.batch_execute("SELECT 3")?;
    log.expect(&["statement"]);
    Ok(())
}

#[test]
fn emit_sql_in_autobegin() -> aludel::Result<()> {
    // A listener on the beginning may use the engine, in a transaction of its own.
    let log = EventLog::new();
    let engine = memory().build()?;
    let (inner, into) = (engine.clone(), log.clone());
    let listening = engine.listen(move |event| {
        if let Event::Begin { connection: 1 } = event {
            let answer = inner.begin(|session| Ok(session.batch_execute("SELECT 1")?));
            into.push(format!("inner {answer:?}"));
        }
    });
    let mut connection = engine.connect();
    connection.batch_execute("SELECT 2")?;
    assert!(connection.in_transaction());
    connection.rollback()?;
    drop(listening);
    log.expect(&["inner Ok(())"]);
    Ok(())
}

#[test]
fn transactional() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory().listen(stories::listener(&log)).build()?;
    let mut connection = engine.connect();
    connection.begin(|connection| {
        connection.begin_nested(|nested| Ok(nested.batch_execute("SELECT 1")?))?;
        connection
            .begin_nested(|nested| Ok(nested.batch_execute("no SQL")?))
            .expect_err("it is none");
        Ok(())
    })?;
    connection.batch_execute("SELECT 2")?;
    connection.rollback()?;
    log.expect(&[
        "begin",
        "savepoint 1",
        "release 1",
        "savepoint 1",
        "fault permanent in Statement",
        "rollback to 1",
        "commit",
        "begin",
        "rollback",
    ]);
    Ok(())
}

#[test]
fn transaction_engine_ctx_begin_fails_dont_enter_enter() -> aludel::Result<()> {
    let script = FaultScript::new();
    script.fail_before(Phase::Begin, DatabaseErrorKind::Unknown, "not now");
    let engine = memory().faults(script).build()?;
    let error = engine
        .begin(|_| -> aludel::Result<()> { unreachable!("it has not begun") })
        .expect_err("BEGIN fails");
    assert!(error.to_string().contains("not now"), "{error}");
    assert_eq!(engine.pool().checkedout(), 0);
    Ok(())
}

#[test]
fn dispose_event() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory().listen(writer(&log, "disposed", "EngineDisposed")).build()?;
    drop(engine.raw_connection()?);
    engine.dispose();
    log.expect(&["disposed"]);
    drop(engine.raw_connection()?); // and it can still be used
    engine.clone().dispose();
    log.expect(&["disposed"]);
    Ok(())
}

#[test]
fn statements_are_told_before_and_after_with_their_time_and_their_rows() -> aludel::Result<()> {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&told);
    let (clock, time) = aludel::clock::Clock::test();
    let engine = memory()
        .clock(clock)
        .listen_statements(move |event| {
            into.lock().expect("nobody panics").push(match *event {
                Event::BeforeStatement { sql, .. } => {
                    time.advance(Duration::from_secs(1));
                    format!("before {sql}")
                }
                Event::Statement {
                    sql,
                    duration,
                    rows,
                    failed,
                    connection,
                } => {
                    format!("after {sql}: {connection} {rows:?} {failed} {duration:?}")
                }
                ref other => format!("{other:?}"),
            });
        })
        .build()?;
    let mut connection = engine.connect();
    connection.batch_execute("CREATE TABLE t (a INTEGER)")?;
    diesel::sql_query("INSERT INTO t VALUES (1), (2)").execute(&mut connection)?;
    let numbers = diesel::dsl::sql::<diesel::sql_types::Integer>("a FROM t");
    diesel::select(numbers).load::<i32>(&mut connection)?;
    diesel::sql_query("INSERT INTO missing VALUES (1)")
        .execute(&mut connection)
        .expect_err("there is no such table");
    connection.rollback()?;
    let told: Vec<String> = told.lock().expect("nobody panics").clone();
    assert_eq!(
        told,
        [
            "before BEGIN",
            "after BEGIN: 1 None false 0ns",
            "before CREATE TABLE t (a INTEGER)",
            "after CREATE TABLE t (a INTEGER): 1 None false 0ns",
            "before INSERT INTO t VALUES (1), (2)",
            "after INSERT INTO t VALUES (1), (2): 1 Some(2) false 0ns",
            "before SELECT a FROM t",
            "after SELECT a FROM t: 1 Some(2) false 0ns",
            "before INSERT INTO missing VALUES (1)",
            "after INSERT INTO missing VALUES (1): 1 None true 0ns",
            "before ROLLBACK",
            "after ROLLBACK: 1 None false 0ns",
        ]
    );
    Ok(())
}

#[test]
fn a_listener_that_panics_is_logged_and_the_next_ones_still_run() -> aludel::Result<()> {
    let log = EventLog::new();
    let capture = Capture::new(Level::ERROR);
    let engine = memory()
        .pool_size(1)
        .listen(writer(&log, "first", "Check"))
        .listen(|_| panic!("a listener only observes"))
        .listen(writer(&log, "third", "Check"))
        .build()?;
    capture.during(|| {
        for _ in 0..2 {
            engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
        }
        engine.raw_connection()?.invalidate("spoilt");
        engine.dispose();
        Ok::<_, aludel::Error>(())
    })?;
    engine.pool().assert_invariants();
    assert_eq!(engine.pool().checkedout(), 0);
    let expected = ["first", "third"].repeat(5); // two checkouts, two returns, one more checkout
    log.expect(&expected);
    let errors = capture.lines("aludel.engine");
    assert!(
        errors.len() > 5 && errors.iter().all(|line| line.starts_with("ERROR a listener panicked")),
        "{errors:?}"
    );
    Ok(())
}

#[test]
fn a_listener_may_check_out_of_the_same_pool_and_dispose_it() -> aludel::Result<()> {
    let log = EventLog::new();
    let engine = memory().build()?;
    let (inner, into) = (engine.clone(), log.clone());
    let listening = engine.listen(move |event| match event {
        // It is told of what it causes itself, and has to stop somewhere.
        Event::Checkout { connection: 1, .. } => {
            into.push("checked out, and so is another");
            drop(inner.raw_connection().expect("there are two"));
        }
        Event::Checkout { connection, .. } => into.push(format!("the other is {connection}")),
        Event::Checkin { connection: 1 } => inner.dispose(),
        Event::Close { connection } => into.push(format!("close {connection}")),
        _ => {}
    });
    drop(engine.raw_connection()?);
    drop(listening);
    engine.pool().assert_invariants();
    assert_eq!((engine.pool().checkedin(), engine.pool().checkedout()), (0, 0));
    log.expect(&["checked out, and so is another", "the other is 2", "close 2", "close 1"]);
    Ok(())
}
