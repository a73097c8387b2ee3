//! The statements that steer transactions on SQLite: prepared once a connection, and fit for use after they have failed.

use aludel::prelude::*;
use aludel_tests::{EventLog, sqlite};
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;

/// A connection, and what Diesel prepares on it to keep.
fn watched(engine: &Engine<SqliteConnection>) -> (aludel::Connection<SqliteConnection>, EventLog) {
    let prepared = EventLog::new();
    let (mut connection, log) = (engine.connect(), prepared.clone());
    diesel::Connection::set_instrumentation(&mut connection, move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            log.push(sql);
        }
    });
    (connection, prepared)
}

#[test]
fn each_is_prepared_once_on_a_connection() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let (mut connection, prepared) = watched(&engine);
    for round in 0..10 {
        connection.begin(|connection| {
            connection.batch_execute("CREATE TABLE IF NOT EXISTS t (a INTEGER)")?;
            connection.begin_nested(|nested| nested.begin_nested(|_| Ok(())))
        })?;
        let failed: aludel::Result<()> = connection.begin(|connection| {
            let undone: aludel::Result<()> = connection.begin_nested(|_| Err(aludel::Error::other("no")));
            assert!(undone.is_err(), "{round}");
            undone
        });
        assert!(failed.is_err());
    }
    prepared.expect(&[
        "BEGIN",
        "SAVEPOINT aludel_sp_1",
        "SAVEPOINT aludel_sp_2",
        "RELEASE SAVEPOINT aludel_sp_2",
        "RELEASE SAVEPOINT aludel_sp_1",
        "COMMIT",
        "ROLLBACK TO SAVEPOINT aludel_sp_1",
        "ROLLBACK",
    ]);
    Ok(())
}

/// A prepared statement that has failed must be reset, or SQLite takes it for one that is still at work.
#[test]
fn a_commit_that_failed_can_be_sent_again() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:?foreign_keys=on")?;
    let mut connection = engine.connect();
    connection.begin(|connection| {
        Ok(connection.batch_execute(
            "CREATE TABLE parents (id INTEGER PRIMARY KEY); INSERT INTO parents VALUES (1);
             CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
        )?)
    })?;
    let mut adopt = |parent: i32| {
        connection.begin(|connection| {
            Ok(diesel::sql_query(format!("INSERT INTO children VALUES ({parent})")).execute(connection)?)
        })
    };
    for _ in 0..3 {
        let error = adopt(2).expect_err("there is no such parent at COMMIT");
        assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack), "{error}");
        assert_eq!(adopt(1)?, 1);
    }
    assert_eq!(engine.pool().status().opened, 1, "nothing had to be closed");
    Ok(())
}

#[test]
fn a_commit_that_a_reader_holds_up_is_rolled_back_and_the_next_one_goes_through() -> aludel::Result<()> {
    let database = sqlite::file();
    let engine = Engine::<SqliteConnection>::new(format!("{}?busy_timeout=1", database.url()))?;
    let mut connection = engine.connect();
    let mut write = || connection.begin(|connection| Ok(connection.batch_execute("INSERT INTO t VALUES (1)")?));
    let mut outside = SqliteConnection::establish(database.url()).expect("it is a file");
    outside.batch_execute("CREATE TABLE t (a INTEGER)")?;
    for round in 0..3 {
        outside.batch_execute("BEGIN; SELECT * FROM t")?;
        let error = write().expect_err("whoever reads holds up the COMMIT");
        assert!(error.to_string().contains("database is locked"), "{round}: {error}");
        outside.batch_execute("COMMIT")?;
        write()?;
    }
    let rows =
        diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM t").get_result::<i64>(&mut outside)?;
    assert_eq!((rows, engine.pool().status().opened), (3, 1));
    Ok(())
}
