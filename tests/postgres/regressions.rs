//! What a careful reader found, each with the way in which it went wrong.
#![allow(clippy::unwrap_used)] // each is as short as it was found

use aludel::prelude::*;
use aludel_tests::postgres;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "nosuchtype"))]
struct NoSuch;

#[derive(Debug, diesel::expression::AsExpression)]
#[diesel(sql_type = NoSuch)]
struct Value;

impl diesel::serialize::ToSql<NoSuch, diesel::pg::Pg> for Value {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>) -> diesel::serialize::Result {
        use std::io::Write;
        out.write_all(b"x")?;
        Ok(diesel::serialize::IsNull::No)
    }
}

fn run(url: &str, sql: &str) {
    PgConnection::establish(url).unwrap().batch_execute(sql).unwrap();
}

fn count(url: &str) -> i64 {
    let mut c = PgConnection::establish(url).unwrap();
    diesel::select(diesel::dsl::sql::<BigInt>("(SELECT COUNT(*) FROM t)"))
        .get_result(&mut c)
        .unwrap()
}

#[test]
fn a_type_that_cannot_be_looked_up_is_not_committed_over() {
    let server = postgres::server();
    let database = server.database("lookup");
    run(database.url(), "CREATE TABLE t (id INT)");
    let engine = Engine::<PgConnection>::new(database.url()).unwrap();
    let error = engine
        .begin(|s| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            assert!(
                diesel::sql_query("SELECT $1")
                    .bind::<NoSuch, _>(Value)
                    .execute(s)
                    .is_err()
            );
            let refused = diesel::sql_query("INSERT INTO t VALUES (2)").execute(s).unwrap_err();
            let refused = aludel::Error::from(refused);
            assert!(
                refused.is_doomed() && refused.to_string().contains("nosuchtype"),
                "{refused}"
            );
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed() && error.to_string().contains("nosuchtype"), "{error}");
    assert_eq!(count(database.url()), 0);
}

#[test]
fn a_function_that_writes_is_not_lost_in_silence() {
    let server = postgres::server();
    let database = server.database("function");
    run(
        database.url(),
        "CREATE TABLE t (id INT); CREATE FUNCTION pay() RETURNS BIGINT AS 'INSERT INTO t VALUES (1); SELECT 1::BIGINT' LANGUAGE sql",
    );
    let engine = Engine::<PgConnection>::new(database.url()).unwrap();
    let mut s = engine.session();
    diesel::select(diesel::dsl::sql::<BigInt>("pay()"))
        .execute(&mut s)
        .unwrap();
    let answer = s.begin(|_| Ok(()));
    assert!(
        answer.is_err() || count(database.url()) == 1,
        "{answer:?}, and {} rows",
        count(database.url())
    );
}
