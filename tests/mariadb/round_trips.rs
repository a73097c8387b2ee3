//! How much is said to the server (fact D9): counted by the server itself, and by a proxy on the way to it.

use aludel::prelude::*;
use aludel_tests::mariadb;
use aludel_tests::proxied::{Server as _, conversation};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// What the server counts for this connection alone.
#[derive(QueryableByName)]
struct Status {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "Value")]
    value: String,
}

pub(super) fn status<C>(connection: &mut C, name: &str) -> u64
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

const SELECT: &str = "SELECT ?";

fn one<C>(connection: &mut C) -> diesel::QueryResult<i64>
where
    C: diesel::connection::LoadConnection<Backend = diesel::mysql::Mysql>,
{
    diesel::select(1_i64.into_sql::<BigInt>()).get_result(connection)
}

#[retry]
fn retried(session: &mut Session<MysqlConnection>) -> aludel::Result<i64> {
    Ok(one(session)?)
}

#[test]
fn a_transaction_with_one_select_is_three_round_trips() -> aludel::Result<()> {
    let (proxy, database) = MysqlConnection::behind_a_proxy("three");
    let engine = Engine::<MysqlConnection>::new(proxy.url(database.url()))?;
    let select = |session: &mut Session<MysqlConnection>| Ok(one(session)?);
    let nested = |session: &mut Session<MysqlConnection>| session.begin_nested(|nested| Ok(one(nested)?));
    engine.begin(nested)?; // everything is prepared now

    let begun = conversation(&proxy, || assert_eq!(engine.begin(select).ok(), Some(1)));
    begun.expect(3, ["BEGIN", SELECT, "COMMIT"]);
    let rerunnable = conversation(&proxy, || assert_eq!(retried(&mut engine.session()).ok(), Some(1)));
    rerunnable.expect(3, ["BEGIN", SELECT, "COMMIT"]);
    let mut session = engine.session();
    let as_you_go = conversation(&proxy, || {
        assert_eq!(one(&mut session).ok(), Some(1));
        assert!(session.commit().is_ok());
    });
    as_you_go.expect(3, ["BEGIN", SELECT, "COMMIT"]);
    drop(session);
    let with_savepoint = conversation(&proxy, || assert_eq!(engine.begin(nested).ok(), Some(1)));
    with_savepoint.expect(
        5,
        [
            "BEGIN",
            "SAVEPOINT aludel_sp_1",
            SELECT,
            "RELEASE SAVEPOINT aludel_sp_1",
            "COMMIT",
        ],
    );
    Ok(())
}

#[test]
fn a_return_is_no_round_trip_and_a_rollback_is_one() -> aludel::Result<()> {
    let (proxy, database) = MysqlConnection::behind_a_proxy("returns");
    let engine = Engine::<MysqlConnection>::new(proxy.url(database.url()))?;
    engine.begin(|session| Ok(one(session)?))?;
    let returned = conversation(&proxy, || drop(engine.pool().checkout().expect("one is free")));
    returned.expect(0, []);
    let mut session = engine.session();
    assert_eq!(one(&mut session)?, 1);
    let _: aludel::Result<()> = engine.begin(|_| Err(aludel::Error::other("prepares ROLLBACK on another one")));
    let rolled_back = conversation(&proxy, || drop(session));
    rolled_back.expect(2, ["prepare ROLLBACK", "ROLLBACK"]);
    let mut session = engine.session();
    assert_eq!(one(&mut session)?, 1);
    let rolled_back = conversation(&proxy, || drop(session));
    rolled_back.expect(1, ["ROLLBACK"]);
    Ok(())
}

#[test]
fn an_isolation_level_is_one_more_and_an_access_mode_none() -> aludel::Result<()> {
    let (proxy, database) = MysqlConnection::behind_a_proxy("characteristics");
    let engine = Engine::<MysqlConnection>::new(proxy.url(database.url()))?;
    let mut session = engine.session();
    let serializable = |session: &mut Session<MysqlConnection>| {
        let transaction = session.build_transaction().serializable();
        assert_eq!(transaction.run(|session| Ok(one(session)?)).ok(), Some(1));
    };
    let read_only = |session: &mut Session<MysqlConnection>| {
        let transaction = session.build_transaction().read_only();
        assert_eq!(transaction.run(|session| Ok(one(session)?)).ok(), Some(1));
    };
    serializable(&mut session);
    read_only(&mut session); // everything is prepared now
    conversation(&proxy, || serializable(&mut session)).expect(
        4,
        [
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "BEGIN",
            SELECT,
            "COMMIT",
        ],
    );
    conversation(&proxy, || read_only(&mut session)).expect(3, ["START TRANSACTION READ ONLY", SELECT, "COMMIT"]);
    Ok(())
}

#[retry(deadline = "10s")]
fn hurried(session: &mut Session<MysqlConnection>) -> aludel::Result<i64> {
    Ok(one(session)?)
}

#[test]
fn a_deadline_is_two_more_and_none_where_statements_have_a_smaller_limit() -> aludel::Result<()> {
    let (proxy, database) = MysqlConnection::behind_a_proxy("deadline");
    let engine = Engine::<MysqlConnection>::new(proxy.url(database.url()))?;
    hurried(&mut engine.session())?; // everything is prepared now, and asked
    conversation(&proxy, || assert_eq!(hurried(&mut engine.session()).ok(), Some(1))).expect(
        5,
        [
            "SET /*M! @aludel_limit = @@SESSION.max_statement_time, SESSION max_statement_time = 0.001 * */ /*!50708 \
             @aludel_limit = @@SESSION.max_execution_time, SESSION max_execution_time = */ CAST(LEAST(COALESCE(NULLIF(/*M! \
             @@SESSION.max_statement_time * 1000 */ /*!50708 @@SESSION.max_execution_time */, 0), 4294967295), ?) AS UNSIGNED)",
            "BEGIN",
            SELECT,
            "COMMIT",
            "SET SESSION /*M! max_statement_time */ /*!50708 max_execution_time */ = @aludel_limit",
        ],
    );
    let limited = database.url_with("max_statement_time", "5");
    let engine = Engine::<MysqlConnection>::new(proxy.url(&limited))?;
    hurried(&mut engine.session())?;
    let smaller = conversation(&proxy, || assert_eq!(hurried(&mut engine.session()).ok(), Some(1)));
    smaller.expect(3, ["BEGIN", SELECT, "COMMIT"]);
    Ok(())
}

#[test]
fn the_same_through_diesels_own_transaction_is_seven_round_trips() {
    let (proxy, database) = MysqlConnection::behind_a_proxy("seven");
    let mut plain = MysqlConnection::establish(&proxy.url(database.url())).expect("the server runs");
    assert_eq!(plain.transaction(one).ok(), Some(1));
    let said = conversation(&proxy, || assert_eq!(plain.transaction(one).ok(), Some(1)));
    said.expect(
        7,
        [
            "set option",
            "BEGIN",
            "set option",
            SELECT,
            "set option",
            "COMMIT",
            "set option",
        ],
    );
}
