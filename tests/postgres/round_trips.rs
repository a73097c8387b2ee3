//! How much is said to the server: counted by a proxy on the way to it.

use std::time::Duration;

use aludel::RetryPolicy;
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel_tests::proxied::{Server as _, conversation};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

const SELECT: &str = "SELECT $1";

fn one<C>(connection: &mut C) -> QueryResult<i64>
where
    C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
{
    diesel::select(1_i64.into_sql::<BigInt>()).get_result(connection)
}

#[retry]
fn retried(session: &mut Session<PgConnection>) -> aludel::Result<i64> {
    Ok(one(session)?)
}

#[test]
fn a_transaction_with_one_select_is_three_round_trips() -> aludel::Result<()> {
    let (proxy, database) = PgConnection::behind_a_proxy("three");
    let engine = Engine::<PgConnection>::new(proxy.url(database.url()))?;
    let select = |session: &mut Session<PgConnection>| Ok(one(session)?);
    let nested = |session: &mut Session<PgConnection>| session.begin_nested(|nested| Ok(one(nested)?));
    drop(engine.pool().checkout()?);
    conversation(&proxy, || assert_eq!(engine.begin(select).ok(), Some(1)))
        .expect(4, ["BEGIN", "prepare SELECT $1", SELECT, "COMMIT"]); // the first time

    conversation(&proxy, || assert_eq!(engine.begin(select).ok(), Some(1))).expect(3, ["BEGIN", SELECT, "COMMIT"]);
    conversation(&proxy, || assert_eq!(retried(&mut engine.session()).ok(), Some(1)))
        .expect(3, ["BEGIN", SELECT, "COMMIT"]);
    conversation(&proxy, || assert_eq!(engine.begin(nested).ok(), Some(1))).expect(
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
    let (proxy, database) = PgConnection::behind_a_proxy("returns");
    let engine = Engine::<PgConnection>::new(proxy.url(database.url()))?;
    engine.begin(|session| Ok(one(session)?))?;
    conversation(&proxy, || drop(engine.pool().checkout().expect("one is free"))).expect(0, []);
    let mut session = engine.session();
    assert_eq!(one(&mut session)?, 1);
    conversation(&proxy, || drop(session)).expect(1, ["ROLLBACK"]);
    Ok(())
}

#[test]
fn characteristics_travel_with_begin() -> aludel::Result<()> {
    let (proxy, database) = PgConnection::behind_a_proxy("characteristics");
    let engine = Engine::<PgConnection>::new(proxy.url(database.url()))?;
    engine.begin(|session| Ok(one(session)?))?;
    let mut session = engine.session();
    conversation(&proxy, || {
        let transaction = session.build_transaction().serializable().read_only().deferrable();
        assert_eq!(transaction.run(|session| Ok(one(session)?)).ok(), Some(1));
    })
    .expect(
        3,
        [
            "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
            SELECT,
            "COMMIT",
        ],
    );
    Ok(())
}

#[test]
fn a_deadline_travels_with_begin() -> aludel::Result<()> {
    let (proxy, database) = PgConnection::behind_a_proxy("deadline");
    let (clock, _time) = Clock::test();
    let engine = Engine::<PgConnection>::builder(proxy.url(database.url()))
        .clock(clock)
        .build()?;
    let policy = RetryPolicy::new().deadline(Duration::from_secs(10));
    let mut session = engine.session();
    session.retry(&policy, |session| Ok(one(session)?))?; // asked once, how long statements may take anyway
    conversation(&proxy, || {
        let done = session.retry(&policy.read_only(), |session| Ok(one(session)?));
        assert_eq!(done.ok(), Some(1));
    })
    .expect(
        3,
        ["BEGIN READ ONLY; SET LOCAL statement_timeout = 10000", SELECT, "COMMIT"],
    );
    let limited = database.url_with("statement_timeout", "5s");
    let engine = Engine::<PgConnection>::new(proxy.url(&limited))?;
    let mut session = engine.session();
    session.retry(&policy, |session| Ok(one(session)?))?;
    conversation(&proxy, || {
        let done = session.retry(&policy, |session| Ok(one(session)?));
        assert_eq!(done.ok(), Some(1));
    })
    .expect(3, ["BEGIN", SELECT, "COMMIT"]);
    Ok(())
}

#[test]
fn diesels_own_transaction_costs_the_same() {
    let (proxy, database) = PgConnection::behind_a_proxy("plain");
    let mut plain = PgConnection::establish(&proxy.url(database.url())).expect("the server runs");
    assert_eq!(plain.transaction(one).ok(), Some(1));
    conversation(&proxy, || assert_eq!(plain.transaction(one).ok(), Some(1))).expect(3, ["BEGIN", SELECT, "COMMIT"]);
}
