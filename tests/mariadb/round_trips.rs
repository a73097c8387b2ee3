//! How much is said to the server (fact D9): counted by the server itself.

use aludel::prelude::*;
use aludel_tests::mariadb;
use aludel_tests::proxy::Proxy;
use aludel_tests::round_trips::{self, RoundTrips};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// What the server counts for this connection alone.
#[derive(QueryableByName)]
struct Status {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "Value")]
    value: String,
}

fn status<C>(connection: &mut C, name: &str) -> u64
where
    C: diesel::connection::LoadConnection<Backend = diesel::mysql::Mysql>,
{
    let rows: Vec<Status> = diesel::sql_query(format!("SHOW SESSION STATUS LIKE '{name}'"))
        .load(connection)
        .expect("anybody may look");
    rows[0].value.parse().expect("it is a number")
}

#[test]
fn control_statements_are_prepared_once_and_executed_in_one_round_trip_each() -> aludel::Result<()> {
    let server = mariadb::server();
    let database = server.database("round_trips");
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .pool_size(1)
        .max_overflow(0)
        .build()?;
    let one = |session: &mut Session<MysqlConnection>| {
        Ok(diesel::select(1_i64.into_sql::<BigInt>()).get_result::<i64>(session)?)
    };
    engine.begin(one)?; // everything is prepared now
    let questions = |engine: &Engine<MysqlConnection>| {
        let mut raw = engine.pool().checkout().expect("one is free");
        (
            status(&mut *raw, "Com_stmt_execute"),
            status(&mut *raw, "Com_stmt_prepare"),
            status(&mut *raw, "Questions"),
        )
    };
    let before = questions(&engine);
    engine.begin(one)?;
    let after = questions(&engine);
    // The status queries themselves are prepared and executed: three of them lie between the
    // same figure of one look and the next.
    assert_eq!(after.0 - before.0 - 3, 3, "BEGIN, SELECT and COMMIT, one execute each");
    assert_eq!(after.1 - before.1 - 3, 0, "nothing is prepared again");
    Ok(())
}

#[test]
fn a_hundred_thousand_nested_transactions_prepare_nothing_new() -> aludel::Result<()> {
    let server = mariadb::private();
    let database = server.database("prepared");
    let engine = Engine::<MysqlConnection>::new(database.url())?;
    let rounds = if std::env::var_os("ALUDEL_TEST_LONG").is_some() {
        100_000
    } else {
        2_000
    };
    engine.begin(|session| {
        session.begin_nested(|_| Ok(()))?;
        let before = server.status("Prepared_stmt_count");
        for round in 0..rounds {
            let failed: aludel::Result<()> = session.begin_nested(|nested| {
                nested.begin_nested(|_| Ok(()))?;
                if round % 2 == 0 {
                    Ok(())
                } else {
                    Err(aludel::Error::other("no"))
                }
            });
            assert_eq!(failed.is_ok(), round % 2 == 0);
        }
        let after = server.status("Prepared_stmt_count");
        assert!(after <= before + 4, "{before} prepared statements became {after}");
        Ok(())
    })
}

#[test]
fn a_clean_return_sends_nothing_and_a_dirty_one_its_rollback() -> aludel::Result<()> {
    let server = mariadb::server();
    let database = server.database("clean_return");
    let engine = Engine::<MysqlConnection>::new(database.url())?;
    let mut raw = engine.pool().checkout()?;
    let first = status(&mut *raw, "Questions");
    let own = status(&mut *raw, "Questions") - first;
    drop(raw);
    let mut raw = engine.pool().checkout()?;
    assert_eq!(
        status(&mut *raw, "Questions") - first,
        2 * own,
        "nothing came in between"
    );
    drop(raw);
    drop(engine.raw_connection()?); // lent to somebody whom nobody watches
    let mut raw = engine.pool().checkout()?;
    assert_eq!(
        status(&mut *raw, "Questions") - first,
        3 * own + 1,
        "a ROLLBACK came in between"
    );
    Ok(())
}

#[test]
fn a_pre_ping_is_one_round_trip_and_idle_for_spares_a_busy_pool_even_that() -> aludel::Result<()> {
    let server = mariadb::server();
    let database = server.database("pre_ping");
    let questions = |pre_ping| -> aludel::Result<_> {
        let engine = Engine::<MysqlConnection>::builder(database.url())
            .pool_size(1)
            .max_overflow(0)
            .pool_pre_ping(pre_ping)
            .build()?;
        drop(engine.pool().checkout()?); // made, and not pinged
        let mut raw = engine.pool().checkout()?; // pinged: whatever that needs is prepared
        let look = |raw: &mut MysqlConnection| (status(raw, "Questions"), status(raw, "Com_stmt_prepare"));
        let first = look(&mut raw);
        let own = look(&mut raw).0 - first.0;
        drop(raw);
        for _ in 0..10 {
            drop(engine.pool().checkout()?);
        }
        let last = look(&mut *engine.pool().checkout()?);
        Ok((last.0 - first.0 - 2 * own, last.1 - first.1))
    };
    let (never, prepared_for_looks) = questions(PrePing::Never)?;
    assert_eq!(never, 0);
    assert_eq!(questions(PrePing::Always)?, (11, prepared_for_looks));
    assert_eq!(
        questions(PrePing::IdleFor(std::time::Duration::from_mins(10)))?,
        (0, prepared_for_looks)
    );
    Ok(())
}

#[test]
fn a_transaction_with_one_statement_is_three_round_trips_and_its_return_none() -> aludel::Result<()> {
    let server = mariadb::server();
    let proxy = Proxy::mysql(server.port());
    let engine = Engine::<MysqlConnection>::new(proxy.url(server.database("on_the_wire").url()))?;
    let one = || diesel::select(1_i64.into_sql::<BigInt>());
    let counted = round_trips::count(
        &proxy,
        &engine,
        |session| one().get_result::<i64>(session).map(drop),
        |raw| one().get_result::<i64>(raw).map(drop),
    );
    let expected = RoundTrips {
        transaction: 3,
        nested: 5,
        rolled_back: 3,
        returned: 0,
        of_diesel: 7, // multi-statements on, BEGIN, off; the statement; the same three for COMMIT
    };
    assert_eq!(counted, expected, "{:?}", proxy.log());
    Ok(())
}
