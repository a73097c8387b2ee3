//! What a URL and `connect_args` ask of a connection, seen on the server (facts D10, D11).

use std::time::Duration;

use aludel::dialect::{MysqlConnectArgs, MysqlSslMode};
use aludel::prelude::*;
use aludel_tests::mariadb;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

fn text(connection: &mut MysqlConnection, expression: &str) -> String {
    diesel::select(sql::<Text>(&format!("CAST({expression} AS CHAR)")))
        .get_result(connection)
        .expect(expression)
}

#[test]
fn every_argument_of_the_query_acts() -> aludel::Result<()> {
    let database = mariadb::server().database("arguments");
    let url = format!(
        "{}?charset=utf8mb3&collation=utf8mb3_bin&max_statement_time=12.5&lock_wait_timeout=7\
         &innodb_lock_wait_timeout=8&wait_timeout=900&sql_mode=STRICT_ALL_TABLES,NO_ZERO_DATE&time_zone=%2B03:00\
         &connect_timeout=5&init_command=SET+@seen+%3D+@@session.wait_timeout;+SET+@more+%3D+'%C3%BC'",
        database.url()
    );
    let engine = Engine::<MysqlConnection>::new(&url)?;
    for _ in 0..2 {
        let mut raw = engine.raw_connection()?;
        for (expression, expected) in [
            ("@@character_set_client", "utf8mb3"),
            ("@@character_set_connection", "utf8mb3"),
            ("@@character_set_results", "utf8mb3"),
            ("@@collation_connection", "utf8mb3_bin"),
            ("@@max_statement_time", "12.500000"),
            ("@@lock_wait_timeout", "7"),
            ("@@innodb_lock_wait_timeout", "8"),
            ("@@wait_timeout", "900"),
            ("@@sql_mode", "STRICT_ALL_TABLES,NO_ZERO_DATE"),
            ("@@time_zone", "+03:00"),
            ("@seen", "900"),
            ("@more", "ü"),
        ] {
            assert_eq!(text(&mut raw, expression), expected, "{expression}");
        }
        engine.dispose(); // and so on each new connection
    }
    Ok(())
}

#[test]
fn connect_args_win_over_the_query() -> aludel::Result<()> {
    let database = mariadb::server().database("connect_args");
    let engine = Engine::<MysqlConnection>::builder(database.url_with("wait_timeout", "900"))
        .connect_args(
            MysqlConnectArgs::new()
                .wait_timeout(Duration::from_millis(800_500))
                .collation("utf8mb4_bin")
                .max_statement_time(Duration::from_millis(1_500))
                .sql_mode("")
                .ssl_mode(MysqlSslMode::Preferred)
                .init_command("SET @one = 'it''s; fine'"),
        )
        .build()?;
    let mut raw = engine.raw_connection()?;
    for (expression, expected) in [
        ("@@wait_timeout", "801"),
        ("@@character_set_connection", "utf8mb4"),
        ("@@collation_connection", "utf8mb4_bin"),
        ("@@max_statement_time", "1.500000"),
        ("@@sql_mode", ""),
        ("@one", "it's; fine"),
    ] {
        assert_eq!(text(&mut raw, expression), expected, "{expression}");
    }
    Ok(())
}

#[test]
fn what_the_server_refuses_fails_the_connect() -> aludel::Result<()> {
    let database = mariadb::server().database("refused");
    for (argument, value, words) in [
        ("init_command", "SELECT nonsense", "nonsense"),
        ("time_zone", "Nowhere/At/All", "time zone"),
        ("sql_mode", "STRICT_EVERYTHING", "sql_mode"),
        ("collation", "utf8mb4_nowhere", "collation"),
    ] {
        let engine = Engine::<MysqlConnection>::new(database.url_with(argument, value))?;
        let error = engine.raw_connection().expect_err(argument).to_string();
        assert!(error.contains(words), "{argument}: {error}");
        assert_eq!(engine.pool().checkedout(), 0);
        engine.pool().assert_invariants();
    }
    Ok(())
}

#[test]
fn the_socket_is_used_for_localhost() -> aludel::Result<()> {
    let server = mariadb::server();
    let database = server.database("socket");
    let socket = server.folder().join("s").display().to_string();
    let url = database
        .url()
        .replace(&format!("127.0.0.1:{}", server.port()), "localhost");
    let engine = Engine::<MysqlConnection>::builder(url)
        .connect_args(MysqlConnectArgs::new().unix_socket(socket))
        .build()?;
    let mut raw = engine.raw_connection()?;
    let host = text(
        &mut raw,
        "(SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID())",
    );
    assert_eq!(host, "localhost", "over TCP it has a port");
    Ok(())
}

#[test]
fn a_creators_connection_is_prepared_as_any_other() -> aludel::Result<()> {
    let database = mariadb::server().database("creator");
    let real = database.url().to_owned();
    let engine = Engine::<MysqlConnection>::builder("mysql://nobody@db.example/bank?init_command=SET+@one+%3D+1")
        .connect_args(MysqlConnectArgs::new().wait_timeout(Duration::from_mins(15)))
        .isolation_level(IsolationLevel::ReadCommitted)
        .creator(move || MysqlConnection::establish(&real))
        .build()?;
    let mut raw = engine.raw_connection()?;
    for (expression, expected) in [
        ("@one", "1"),
        ("@@wait_timeout", "900"),
        ("@@lc_messages", "en_US"),
        ("@@tx_isolation", "READ-COMMITTED"),
        ("DATABASE()", database.name()),
    ] {
        assert_eq!(text(&mut raw, expression), expected, "{expression}");
    }
    // And a demand for encryption stands, whoever connects.
    let real = database.url().to_owned();
    let engine = Engine::<MysqlConnection>::builder("mysql://nobody@db.example/bank?ssl_mode=required")
        .creator(move || MysqlConnection::establish(&real))
        .build()?;
    let error = engine.raw_connection().expect_err("it is in the clear").to_string();
    assert!(error.contains("not encrypted"), "{error}");
    Ok(())
}
