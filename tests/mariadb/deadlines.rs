//! What this database is told of a retry's deadline.

use std::time::Duration;

use aludel::RetryPolicy;
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel_tests::mariadb;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

aludel_tests::deadline_stories!(diesel::MysqlConnection, a_statement_is_cut_short_at_the_deadline);

/// DDL commits the root and another one goes on in its place, under the same limit.
#[test]
fn the_limit_outlives_an_implicit_commit_and_not_the_transaction() -> aludel::Result<()> {
    let database = mariadb::server().database("implicit_limit");
    let (clock, _time) = Clock::test();
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .clock(clock)
        .build()?;
    let own =
        |engine: &Engine<MysqlConnection>| engine.raw_connection()?.statement_limit().map_err(aludel::Error::from);
    assert_eq!(own(&engine)?, None);
    let policy = RetryPolicy::new().deadline(Duration::from_secs(7));
    let limits = engine.session().retry(&policy, |session| {
        let before = session.with_raw(|raw| Ok(raw.statement_limit()?))?;
        session.batch_execute("CREATE TABLE t (a INTEGER)")?;
        diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?;
        Ok((before, session.with_raw(|raw| Ok(raw.statement_limit()?))?))
    })?;
    let seven = Some(Duration::from_secs(7));
    assert_eq!((limits, own(&engine)?), ((seven, seven), None));
    Ok(())
}

/// A user's own limit on one connection alone is what that one gets back, to the microsecond.
#[test]
fn what_a_connection_alone_had_is_put_back() -> aludel::Result<()> {
    let database = mariadb::server().database("own_limit");
    let (clock, _time) = Clock::test();
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .clock(clock)
        .pool_size(1)
        .max_overflow(0)
        .build()?;
    let policy = RetryPolicy::new().deadline(Duration::from_secs(7));
    engine.session().retry(&policy, |_| Ok(()))?; // asked: none
    engine
        .raw_connection()?
        .batch_execute("SET SESSION max_statement_time = 12.345678")?;
    engine.session().retry(&policy, |session| {
        assert_eq!(
            session.with_raw(|raw| Ok(raw.statement_limit()?))?,
            Some(Duration::from_secs(7))
        );
        Ok(())
    })?;
    let exact = diesel::dsl::sql::<diesel::sql_types::Double>("@@SESSION.max_statement_time");
    let left: f64 = diesel::select(exact).get_result(&mut *engine.raw_connection()?)?;
    assert!((left - 12.345_678).abs() < 1e-9, "{left}");
    Ok(())
}
