//! What is found in a text, and what is not.

use super::*;

fn effect(sql: &str) -> Effect {
    super::effect(Flavour::MySql, sql)
}

#[test]
fn the_first_word_tells_and_comments_do_not_hide_it() {
    assert_eq!(effect("SELECT 1"), Effect::Read);
    assert_eq!(effect("/* note */ -- more\n insert into t values (1)"), Effect::Write);
    assert_eq!(effect("SELECT 1; COMMIT"), Effect::Control);
    assert_eq!(effect("create table t (a int)"), Effect::Definition);
    assert_eq!(effect("CREATE TEMPORARY TABLE t (a int)"), Effect::Write);
    assert_eq!(effect("start transaction read only"), Effect::Control);
    assert_eq!(effect("/*!40101 COMMIT */"), Effect::Control);
    assert_eq!(effect("SET autocommit = 1"), Effect::Control);
    assert_eq!(effect(""), Effect::Read);
}

#[test]
fn what_hides_is_found_and_what_only_looks_like_it_is_not() {
    for hidden in [
        "INSERT INTO t VALUES (5--1); COMMIT",
        "/*M!100100 COMMIT */",
        "SET @@autocommit = 1",
        "SET a = 1, b = 2, c = 3, d = 4, autocommit = 0",
        "SET @@session.autocommit = 0",
        "SET @@tx_isolation = 'SERIALIZABLE'",
        "SET LOCAL transaction_read_only = off",
    ] {
        assert_eq!(effect(hidden), Effect::Control, "{hidden}");
    }
    let sqlite = |sql: &str| super::effect(Flavour::Sqlite, sql);
    let trigger = "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET x = 1; DELETE FROM u; END";
    assert_eq!(sqlite(trigger), Effect::Definition);
    assert_eq!(sqlite(&format!("{trigger}; COMMIT")), Effect::Control);
    let procedure = "CREATE PROCEDURE p() BEGIN IF a THEN COMMIT; END IF; BEGIN ROLLBACK; END; SELECT 1; END";
    assert_eq!(effect(procedure), Effect::Definition);
    assert_eq!(effect(&format!("{procedure}; COMMIT")), Effect::Control);
    assert_eq!(effect("CALL p()"), Effect::MayEnd);
    assert_eq!(
        effect("SET STATEMENT max_statement_time = 5 FOR INSERT INTO t VALUES (1)"),
        Effect::Write
    );
    assert_eq!(sqlite("PRAGMA user_version = 7"), Effect::Write);
    assert_eq!(sqlite("PRAGMA user_version"), Effect::Read);
}

#[test]
fn what_stands_between_dollars_is_no_statement() {
    let effect = |sql| super::effect(Flavour::PostgreSql, sql);
    assert_eq!(
        effect("CREATE FUNCTION f() AS $$ BEGIN a; COMMIT; END $$ LANGUAGE plpgsql"),
        Effect::Definition
    );
    assert_eq!(effect("DO $a1$ BEGIN x; $$ END; $a1$"), Effect::Write);
    assert_eq!(effect("SELECT $1; COMMIT; SELECT $1"), Effect::Control);
    assert_eq!(effect("SELECT a$b$; COMMIT; SELECT $b$ $b$"), Effect::Control);
    assert_eq!(effect(r"SELECT E'it\'; ROLLBACK'"), Effect::Read);
    assert_eq!(effect(r"SELECT E'a\''; COMMIT; --'"), Effect::Control);
}

#[test]
fn what_stands_in_a_string_is_no_statement() {
    assert_eq!(effect("SELECT 'a; COMMIT'"), Effect::Read);
    assert_eq!(effect("SELECT 'it''s; ROLLBACK'"), Effect::Read);
}

#[test]
fn comments_and_quotes_end_where_each_database_ends_them() {
    let cases: [(Flavour, &str, Effect); 15] = [
        (Flavour::PostgreSql, "/* /* */ ' */ ; COMMIT; SELECT '", Effect::Control),
        (Flavour::PostgreSql, "-- a\rCOMMIT", Effect::Control),
        (Flavour::Sqlite, "-- a\rCOMMIT", Effect::Read),
        (Flavour::PostgreSql, "SELECT 1 AS a$$b$$; COMMIT", Effect::Control),
        (Flavour::PostgreSql, "SELECT E\"a\\\"; COMMIT; --\"", Effect::Control),
        (
            Flavour::PostgreSql,
            "SELECT E'a'\n'b\\'c'; COMMIT; SELECT '",
            Effect::Control,
        ),
        (Flavour::MySql, "SELECT `a\\`; COMMIT; SELECT `b`", Effect::Control),
        (Flavour::MySql, "SELECT 2*/*'*/3; COMMIT; SELECT 'a'", Effect::Control),
        (Flavour::MySql, "/*!999999 ' */ ; COMMIT; -- '", Effect::Control),
        (Flavour::Sqlite, "SELECT [it's]; COMMIT; SELECT 'x'", Effect::Control),
        (Flavour::Sqlite, "\u{feff}COMMIT", Effect::Control),
        (Flavour::MySql, "SET `autocommit` = 0", Effect::Control),
        (Flavour::MySql, "SET @`autocommit` = 0, @autocommit = 1", Effect::Read),
        (Flavour::Sqlite, "PRAGMA 'query_only' = 1", Effect::Control),
        (
            Flavour::PostgreSql,
            "SELECT setting FROM pg_settings WHERE name = 'transaction_isolation'",
            Effect::Read,
        ),
    ];
    for (flavour, sql, expected) in cases {
        assert_eq!(super::effect(flavour, sql), expected, "{sql}");
    }
}

#[test]
fn a_name_that_is_a_keyword_opens_no_body() {
    for (flavour, sql) in [
        (
            Flavour::Sqlite,
            "CREATE TRIGGER begin AFTER INSERT ON begin BEGIN SELECT 1; END; COMMIT",
        ),
        (
            Flavour::PostgreSql,
            "CREATE TRIGGER begin AFTER INSERT ON t EXECUTE FUNCTION f(); COMMIT",
        ),
        (
            Flavour::PostgreSql,
            "CREATE FUNCTION begin(atomic int) RETURNS int AS 'SELECT 1' LANGUAGE sql; COMMIT",
        ),
        (Flavour::MySql, "CREATE TABLE t (event INT, begin DATETIME); COMMIT"),
        (Flavour::MySql, "CREATE PROCEDURE begin() SELECT 1; COMMIT"),
    ] {
        assert_eq!(super::effect(flavour, sql), Effect::Control, "{sql}");
    }
    let atomic = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END";
    assert_eq!(super::effect(Flavour::PostgreSql, atomic), Effect::Definition);
    let labelled = "CREATE PROCEDURE p() a: BEGIN WHILE 1 DO COMMIT; END WHILE; END a";
    assert_eq!(effect(labelled), Effect::Definition);
    assert_eq!(effect(&format!("{labelled}; COMMIT")), Effect::Control);
}

#[test]
fn what_ends_a_transaction_on_mariadb_by_the_way() {
    for sql in [
        "LOCK TABLES t WRITE",
        "ANALYZE TABLE t",
        "SET PASSWORD = ''",
        "FLUSH TABLES",
        "LOAD INDEX INTO CACHE t",
    ] {
        assert_eq!(effect(sql), Effect::Definition, "{sql}");
    }
    for sql in [
        "IF 1 THEN COMMIT",
        "a: LOOP COMMIT",
        "EXECUTE IMMEDIATE 'COMMIT'",
        "UNLOCK TABLES",
        "ANALYZE SELECT 1",
    ] {
        assert_eq!(effect(sql), Effect::MayEnd, "{sql}");
    }
    assert_eq!(effect("a: BEGIN NOT ATOMIC COMMIT"), Effect::Control);
}

#[test]
fn what_may_have_changed_rows_that_were_read() {
    use Flavour::{MySql, PostgreSql, Sqlite};
    for (flavour, sql) in [
        (MySql, "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1"),
        (MySql, "REPLACE INTO t VALUES (1)"),
        (MySql, "SET time_zone = 'UTC'"),
        (MySql, "SET @a = 1, time_zone = 'UTC'"),
        (MySql, "SET @@time_zone = 'UTC'"),
        (MySql, "USE other"),
        (MySql, "CALL p()"),
        (Sqlite, "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1"),
        (Sqlite, "INSERT OR REPLACE INTO t VALUES (1)"),
        (PostgreSql, "SET search_path = other"),
        (PostgreSql, "SET LOCAL ROLE somebody"),
        (PostgreSql, "SET SESSION AUTHORIZATION somebody"),
        (PostgreSql, "SELECT set_config('search_path', 'other', true)"),
        (PostgreSql, "WITH a AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM a"),
        (PostgreSql, "INSERT INTO t VALUES (1); DELETE FROM t"),
    ] {
        assert_eq!(touched_by_text(flavour, sql), Touched::Anything, "{sql}");
    }
    for (flavour, sql) in [
        (MySql, "INSERT INTO t VALUES (1)"),
        (MySql, "SET @a = 1"),
        (Sqlite, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING"),
        (Sqlite, "INSERT OR IGNORE INTO t VALUES (1)"),
        (Sqlite, "PRAGMA user_version"),
        (PostgreSql, "SELECT 1; SHOW search_path"),
        (PostgreSql, "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a"),
    ] {
        assert_eq!(touched_by_text(flavour, sql), Touched::Nothing, "{sql}");
    }
}

#[test]
fn the_table_that_a_statement_writes_to() {
    use Flavour::{MySql, PostgreSql, Sqlite};
    for (flavour, sql, table) in [
        (MySql, "UPDATE `Things` SET `a` = ?", Some("things")),
        (MySql, "REPLACE INTO `shop`.`things` (`a`) VALUES (?)", Some("things")),
        (
            PostgreSql,
            "DELETE  FROM \"shop\".\"things\" WHERE (\"shop\".\"things\".\"a\" = $1)",
            Some("things"),
        ),
        (
            Sqlite,
            "INSERT INTO `from` (`a`) VALUES (?) ON CONFLICT (`a`) DO UPDATE SET `a` = ?",
            Some("from"),
        ),
        (Sqlite, "UPDATE t SET a = 1; UPDATE u SET a = 1", None),
    ] {
        assert_eq!(table_written_by(flavour, sql).as_deref(), table, "{sql}");
    }
    assert_eq!(bare_name(PostgreSql, "\"shop\".\"Things\""), "things");
    assert_eq!(bare_name(MySql, "`things`"), "things");
}
