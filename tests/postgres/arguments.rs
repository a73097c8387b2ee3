//! What a URL and `connect_args` ask of a connection, seen on the server.

use std::time::Duration;

use aludel::Url;
use aludel::dialect::{PgConnectArgs, PgSslMode};
use aludel::prelude::*;
use aludel_tests::{ports, postgres};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

fn setting(connection: &mut PgConnection, name: &str) -> String {
    diesel::select(sql::<Text>(&format!("current_setting('{name}')")))
        .get_result(connection)
        .expect(name)
}

#[test]
fn every_argument_of_the_query_acts() -> aludel::Result<()> {
    let database = postgres::server().database("arguments");
    let url = Url::parse(database.url())?.update_query_string(
        "application_name=a+b%26c&statement_timeout=20s&lock_timeout=1500&search_path=one,public\
         &idle_in_transaction_session_timeout=5min&options=-c+geqo%3Doff&connect_timeout=5&sslmode=prefer",
        true,
    )?;
    let engine = Engine::<PgConnection>::new(url)?;
    let mut raw = engine.raw_connection()?;
    for (name, expected) in [
        ("application_name", "a b&c"),
        ("statement_timeout", "20s"),
        ("lock_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "5min"),
        ("search_path", "one,public"),
        ("geqo", "off"),
    ] {
        assert_eq!(setting(&mut raw, name), expected, "{name}");
    }
    // They came with the connect, so they are what a reset comes back to.
    raw.batch_execute("SET statement_timeout = '1h'; RESET ALL")?;
    assert_eq!(setting(&mut raw, "statement_timeout"), "20s");
    Ok(())
}

#[test]
fn connect_args_win_over_the_query_and_stay_values() -> aludel::Result<()> {
    let database = postgres::server().database("connect_args");
    let url = Url::parse(database.url())?.update_query_pairs([("application_name", "old")], true)?;
    let odd = r#"odd "name', -c role=root \ x"#;
    let engine = Engine::<PgConnection>::builder(url)
        .connect_args(
            PgConnectArgs::new()
                .application_name("new one")
                .connect_timeout(Duration::from_secs(5))
                .sslmode(PgSslMode::Allow)
                .search_path([odd, "public"])
                .statement_timeout(Duration::from_millis(2_500))
                .lock_timeout(Duration::from_secs(1))
                .idle_in_transaction_session_timeout(Duration::from_mins(1)),
        )
        .build()?;
    let mut raw = engine.raw_connection()?;
    assert_eq!(setting(&mut raw, "application_name"), "new one");
    assert_eq!(setting(&mut raw, "statement_timeout"), "2500ms");
    assert_eq!(setting(&mut raw, "lock_timeout"), "1s");
    assert_eq!(setting(&mut raw, "idle_in_transaction_session_timeout"), "1min");
    raw.batch_execute(&format!("CREATE SCHEMA \"{}\"", odd.replace('"', "\"\"")))?;
    let schema: String = diesel::select(sql::<Text>("current_schema()::text")).get_result(&mut *raw)?;
    assert_eq!(schema, odd);
    Ok(())
}

#[test]
fn several_hosts_are_tried_in_turn() -> aludel::Result<()> {
    let database = postgres::server().database("hosts");
    let url = Url::parse(database.url())?;
    let dead = format!("127.0.0.1:{}", ports::free());
    let place = |url: &Url| {
        let host = url
            .host()
            .map_or_else(|| url.query_value("host").unwrap_or_default().to_owned(), str::to_owned);
        format!("{host}:{}", url.port().expect("a test's server has a port"))
    };
    let alive = place(&url);
    let several = url
        .set()
        .host("")
        .port(None)
        .query([("host", dead.as_str()), ("host", alive.as_str())])
        .build()?;
    let engine = Engine::<PgConnection>::new(several)?;
    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))
}

#[test]
fn a_creators_connection_is_prepared_as_any_other() -> aludel::Result<()> {
    let database = postgres::server().database("creator");
    let real = database.url().to_owned();
    let engine = Engine::<PgConnection>::builder("postgres://nobody@db.example/bank")
        .isolation_level(IsolationLevel::Serializable)
        .creator(move || PgConnection::establish(&real))
        .build()?;
    let mut raw = engine.raw_connection()?;
    assert_eq!(setting(&mut raw, "default_transaction_isolation"), "serializable");
    let name: String = diesel::select(sql::<Text>("current_database()::text")).get_result(&mut *raw)?;
    assert_eq!(name, database.name());
    Ok(())
}
