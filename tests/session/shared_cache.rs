//! Locks of a database in memory that several connections share: there is no waiting for them.

use std::sync::{Mutex, PoisonError};

use aludel::prelude::*;
use aludel::{Class, Event};
use aludel_tests::EventLog;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

diesel::table! {
    notes (n) {
        n -> Integer,
    }
}

/// Nobody waits for a lock here, whatever the busy timeout: the test would stand still for a minute otherwise.
const BUSY_TIMEOUT: &str = "&busy_timeout=60000";

fn engine(name: &str, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Engine<SqliteConnection> {
    Engine::builder(format!("sqlite://{name}?mode=memory&cache=shared{BUSY_TIMEOUT}").as_str())
        .clock(aludel::clock::Clock::test().0)
        .listen(listener)
        .build()
        .expect("the options are sound")
}

#[retry]
fn add<C: Dialect>(session: &mut Session<C>) -> aludel::Result<()> {
    Ok(session.batch_execute("INSERT INTO notes SELECT COUNT(*) + 1 FROM notes")?)
}

#[test]
fn a_table_that_is_locked_is_tried_again_and_the_rerun_takes_the_lock_first() {
    let other = engine("locked", |_| {});
    let mut writer = other.session();
    writer
        .batch_execute("CREATE TABLE notes (n INTEGER PRIMARY KEY)")
        .unwrap();
    writer.commit().unwrap();
    writer.batch_execute("INSERT INTO notes VALUES (1)").unwrap(); // and holds the table from now on

    let (log, writer) = (EventLog::new(), Mutex::new(Some(writer)));
    let outline = log.outline();
    let ours = engine("locked", move |event| {
        outline(event);
        if let Event::Rerun { .. } = event {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            writer
                .expect("it is run again once")
                .commit()
                .expect("nobody is in its way");
        }
    });
    add(&mut ours.session()).unwrap();
    log.expect(&[
        "begin",
        "rollback",
        "rerun add, attempt 2, after retry",
        "begin",
        "commit",
    ]);
    assert_eq!(notes::table.count().get_result::<i64>(&mut ours.session()), Ok(2));
}

#[test]
fn every_lock_of_a_shared_cache_is_a_conflict() {
    let (ours, other) = (engine("locks", |_| {}), engine("locks", |_| {}));
    let refused = |sql: &str| {
        let error = ours.begin(|session| Ok(session.batch_execute(sql)?)).unwrap_err();
        assert_eq!(error.class(), Class::Retry, "{error}");
        error.to_string()
    };
    let mut writer = other.session();
    writer
        .batch_execute("CREATE TABLE notes (n INTEGER PRIMARY KEY)")
        .unwrap();
    let schema = refused("SELECT COUNT(*) FROM notes");
    assert!(schema.contains("is locked"), "{schema}");
    writer.commit().unwrap();
    writer.batch_execute("INSERT INTO notes VALUES (1)").unwrap();
    let table = refused("SELECT COUNT(*) FROM notes");
    assert!(table.contains("database table is locked"), "{table}");
    let database = refused("CREATE TABLE more (n INTEGER)");
    assert!(database.contains("is locked"), "{database}");
    writer.rollback().unwrap();
    ours.begin(|session| Ok(session.batch_execute("CREATE TABLE more (n INTEGER)")?))
        .unwrap();
}
