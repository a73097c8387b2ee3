//! `Engine::mock` without a session: each backend's words, and what the executor answers.

use std::fmt::Debug;

use aludel::mock::{Mock, MockBackend, MockStatement};
use aludel::{Control, Dialect, Engine};
use aludel_tests::EventLog;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

diesel::table! {
    notes (id) {
        id -> Integer,
        text -> Text,
        mark -> Nullable<BigInt>,
    }
}

/// An engine that writes each statement into a log.
fn logged<B: MockBackend>() -> (Engine<Mock<B>>, EventLog) {
    let log = EventLog::new();
    let executor = {
        let log = log.clone();
        move |statement: &MockStatement| log.push(statement.to_string())
    };
    (Engine::mock(executor), log)
}

macro_rules! on_each_backend {
    ($($feature:literal, $name:ident, $backend:ty, $insert:literal, $select:literal;)*) => {$(
        #[cfg(feature = $feature)]
        #[test]
        fn $name() {
            let (engine, log) = logged::<$backend>();
            let mut raw = engine.raw_connection().unwrap();
            raw.batch_execute("CREATE TABLE notes (id INTEGER)").unwrap();
            let note = (notes::text.eq("it's, \"so\""), notes::mark.eq(Some(7_i64)));
            let count = diesel::insert_into(notes::table).values(note).execute(&mut *raw);
            assert_eq!(count, Ok(1));
            let found: Vec<i32> = notes::table
                .filter(notes::mark.is_null().or(notes::id.gt(3)))
                .select(notes::id)
                .load(&mut *raw)
                .unwrap();
            assert_eq!(found.len(), 0);
            let first = notes::table.select(notes::text).first::<String>(&mut *raw);
            assert_eq!(first, Err(DieselError::NotFound));
            let rows = notes::table.select(notes::id).load_iter::<i32, diesel::connection::DefaultLoadingMode>(&mut *raw);
            assert_eq!(rows.unwrap().count(), 0);
            let sent = log.take();
            assert_eq!(sent[0], "CREATE TABLE notes (id INTEGER);");
            assert_eq!(sent[1], $insert);
            assert_eq!(sent[2], $select);
            assert_eq!(sent.len(), 5);
            drop(raw);
            log.expect(&["ROLLBACK;"]); // what was lent out raw is reset when it comes home
        }
    )*};
}
on_each_backend! {
    "sqlite", sqlite_is_mocked_in_its_own_words, diesel::sqlite::Sqlite,
        "INSERT INTO `notes` (`text`, `mark`) VALUES (?, ?) /* \"it's, \\\"so\\\"\", Some(7) */;",
        "SELECT `notes`.`id` FROM `notes` WHERE ((`notes`.`mark` IS NULL) OR (`notes`.`id` > ?)) /* 3 */;";
    "mysql", mysql_is_mocked_in_its_own_words, diesel::mysql::Mysql,
        "INSERT INTO `notes` (`text`, `mark`) VALUES (?, ?) /* \"it's, \\\"so\\\"\", Some(7) */;",
        "SELECT `notes`.`id` FROM `notes` WHERE ((`notes`.`mark` IS NULL) OR (`notes`.`id` > ?)) /* 3 */;";
    "postgres", postgres_is_mocked_in_its_own_words, diesel::pg::Pg,
        "INSERT INTO \"notes\" (\"text\", \"mark\") VALUES ($1, $2) /* \"it's, \\\"so\\\"\", Some(7) */;",
        "SELECT \"notes\".\"id\" FROM \"notes\" WHERE ((\"notes\".\"mark\" IS NULL) OR (\"notes\".\"id\" > $1)) /* 3 */;";
}

#[cfg(feature = "sqlite")]
#[test]
fn the_executor_is_told_how_a_statement_was_sent() {
    let log = EventLog::new();
    let executor = {
        let log = log.clone();
        move |statement: &MockStatement| log.push(format!("{:?} {:?}", statement.kind(), statement.binds()))
    };
    let engine = Engine::<Mock<diesel::sqlite::Sqlite>>::mock(executor);
    let mut raw = engine.raw_connection().unwrap();
    raw.control(Control::Begin).unwrap();
    raw.batch_execute("SELECT 1; SELECT 2").unwrap();
    diesel::update(notes::table)
        .set(notes::text.eq("x"))
        .execute(&mut *raw)
        .unwrap();
    let query = diesel::sql_query("SELECT id FROM notes WHERE id = ?").bind::<diesel::sql_types::Integer, _>(5);
    query.execute(&mut *raw).unwrap();
    assert_eq!(
        notes::table.count().get_result::<i64>(&mut *raw),
        Err(DieselError::NotFound)
    );
    drop(raw);
    log.expect(&[
        "Control(Begin) []",
        "Batch []",
        r#"Execute ["\"x\""]"#,
        r#"Execute ["5"]"#,
        "Load []",
        "Control(Rollback) []",
    ]);
}

/// What an UPDATE answers on an engine with this executor's answer.
#[cfg(feature = "sqlite")]
fn updated<A: aludel::mock::MockAnswer + Debug>(answer: impl Fn() -> A + Send + Sync + 'static) -> QueryResult<usize> {
    let engine = Engine::<Mock<diesel::sqlite::Sqlite>>::mock(move |_| answer());
    let mut raw = engine.raw_connection().expect("a mock connects");
    diesel::update(notes::table).set(notes::text.eq("x")).execute(&mut *raw)
}

#[cfg(feature = "sqlite")]
#[test]
fn the_executors_answer_is_the_statements() {
    assert_eq!(updated(|| ()), Ok(1));
    assert_eq!(updated(|| 0_usize), Ok(0));
    assert_eq!(updated(|| QueryResult::Ok(12_usize)), Ok(12));
    let refused = updated(|| {
        QueryResult::<()>::Err(DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation,
            Box::new("UNIQUE constraint failed: notes.id".to_owned()),
        ))
    });
    assert!(matches!(
        refused,
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    ));
}

#[cfg(feature = "sqlite")]
#[test]
fn a_mock_is_made_by_an_engine_and_by_no_url() {
    let error = Mock::<diesel::sqlite::Sqlite>::establish("sqlite://mock").unwrap_err();
    assert!(error.to_string().contains("Engine::mock"), "{error}");
    // An engine that was given a mock's type and no executor says what is missing.
    let engine = Engine::<Mock<diesel::sqlite::Sqlite>>::new("sqlite://bank.db").unwrap();
    let error = engine.raw_connection().unwrap().batch_execute("SELECT 1").unwrap_err();
    assert!(error.to_string().contains("executor"), "{error}");
}

#[cfg(feature = "sqlite")]
#[test]
fn what_a_mock_shows_of_itself_has_no_values() {
    let engine = Engine::<Mock<diesel::sqlite::Sqlite>>::mock(|_| ());
    let mut raw = engine.raw_connection().unwrap();
    let query = diesel::update(notes::table).set(notes::text.eq("secret"));
    query.execute(&mut *raw).unwrap();
    assert!(!format!("{raw:?} {:?} {engine:?}", &*raw).contains("secret"));
}

#[cfg(feature = "postgres")]
#[test]
fn raw_transaction_control_is_followed() {
    use aludel::dialect::ServerTransaction::{Aborted, None, Open};

    let engine = Engine::<Mock<diesel::pg::Pg>>::mock(|statement| {
        if statement.sql() == "SELEC 1" {
            let text = "syntax error at or near \"SELEC\"".to_owned();
            return Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text)));
        }
        Ok(())
    });
    let mut raw = engine.raw_connection().unwrap();
    for (sql, state) in [
        ("SELEC 1", None),
        ("BEGIN", Open),
        ("SAVEPOINT a", Open),
        ("SELEC 1", Aborted),
        ("ROLLBACK TO SAVEPOINT a", Open),
        ("CREATE TABLE t (a INTEGER)", Open),
        ("rollback", None),
        ("START TRANSACTION READ ONLY", Open),
        ("COMMIT", None),
    ] {
        assert_eq!(raw.batch_execute(sql).is_err(), sql == "SELEC 1", "{sql}");
        assert_eq!(raw.server_transaction().unwrap(), state, "{sql}");
        assert_eq!(raw.is_aborted(), state == Aborted, "{sql}");
    }
}
