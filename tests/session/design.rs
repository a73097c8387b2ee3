//! The code that users were promised, on `SQLite`.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use aludel_tests::promised_code;
use diesel::connection::SimpleConnection;

promised_code!(SqliteConnection);

const SCHEMA: &str = "\
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL, \
        version INTEGER NOT NULL); \
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, from_account INTEGER NOT NULL, to_account INTEGER NOT NULL, \
        amount BIGINT NOT NULL CHECK (amount < 1000)); \
    INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 5000, 1), ('Bob', 0, 1)";

fn engine() -> aludel::Result<Engine<SqliteConnection>> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?; // connects to nothing yet
    assert_eq!(engine.pool().opened(), 0);
    engine.begin(|session| Ok(session.batch_execute(SCHEMA)?))?;
    Ok(engine)
}

#[test]
fn every_option_of_the_builder() -> aludel::Result<()> {
    let connects = Arc::new(AtomicUsize::new(0));
    let checkouts = Arc::new(AtomicUsize::new(0));
    let (connected, checked_out) = (Arc::clone(&connects), Arc::clone(&checkouts));
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .pool_size(5)
        .max_overflow(10)
        .pool_timeout(Duration::from_secs(30))
        .pool_recycle(Duration::from_hours(1))
        .pool_pre_ping(PrePing::IdleFor(Duration::from_millis(500)))
        .pool_use_lifo(true)
        .pool_reset_on_return(ResetOnReturn::Rollback)
        .isolation_level(IsolationLevel::Serializable)
        .echo(false)
        .echo_pool(false)
        .hide_parameters(true)
        .logging_name("bank")
        .listen(|_: &Event<'_>| {})
        .on_connect(move |connection: &mut SqliteConnection, _| {
            connected.fetch_add(1, Ordering::SeqCst);
            diesel::sql_query("PRAGMA foreign_keys = ON").execute(connection)?;
            Ok(())
        })
        .on_checkout(move |_: &mut SqliteConnection, _| {
            // The first connection is refused and replaced.
            if checked_out.fetch_add(1, Ordering::SeqCst) == 0 {
                Err(Refuse::Reconnect)
            } else {
                Ok(())
            }
        })
        .handle_error(|context: &mut ErrorContext<'_>| {
            if context.message().contains("no such table") {
                context.set_class(Class::Retry);
            }
        })
        .build()?;
    assert_eq!(
        engine.pool().opened(),
        0,
        "an engine connects to nothing until it is used"
    );

    let attempts = AtomicUsize::new(0);
    let error = engine
        .session()
        .retry(&aludel::RetryPolicy::new().attempts(3), |session| {
            attempts.fetch_add(1, Ordering::SeqCst);
            Ok(diesel::sql_query("SELECT * FROM missing").execute(session)?)
        })
        .expect_err("there is no such table");
    assert!(error.is_retryable(), "handle_error has changed the class: {error}");
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!(connects.load(Ordering::SeqCst), 2);
    Ok(())
}
