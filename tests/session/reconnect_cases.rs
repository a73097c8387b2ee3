//! `MockReconnectTest`, `RealReconnectTest`, `HandleErrorTest`, `CursorErrTest` and `OnConnectTest`, as SQLAlchemy has them:
//! the stories of all backends are `tests/support/cases/reconnect.rs`; here are those that need rows or values.

use aludel::prelude::*;
use aludel_tests::EventLog;
use aludel_tests::account::accounts;
use aludel_tests::cases::{Stage, insert};
use diesel::connection::DefaultLoadingMode;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Integer;
use diesel::sqlite::Sqlite;

aludel_tests::reconnect_cases!(aludel_tests::cases::sqlite);

/// A value that its type cannot write.
#[derive(Debug, AsExpression)]
#[diesel(sql_type = Integer)]
struct Odd;

impl ToSql<Integer, Sqlite> for Odd {
    fn to_sql<'b>(&'b self, _: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        Err("an odd value".into())
    }
}

/// A stage, and what its `handle_error` hook has heard.
fn heard() -> (Stage<SqliteConnection>, Engine<SqliteConnection>, EventLog) {
    let (stage, log) = (aludel_tests::cases::sqlite("heard"), EventLog::new());
    let hook = log.clone();
    let engine = stage.engine_with(|builder| {
        builder.handle_error(move |context| {
            let statement = context.statement().unwrap_or("?");
            hook.push(format!("{} in {statement}", context.message()));
        })
    });
    (stage, engine, log)
}

/// What goes wrong with a value before anything is sent is an error of its statement, and the hook hears of it.
#[test]
fn exception_event_ad_hoc_context() -> aludel::Result<()> {
    let (stage, engine, log) = heard();
    engine.begin(|session| {
        insert(session, 1)?;
        let update = diesel::update(accounts::table).set(accounts::version.eq(Odd));
        let error = update.execute(session).expect_err("its value is odd");
        assert!(matches!(error, DieselError::SerializationError(_)), "{error:?}");
        log.expect(&["an odd value in UPDATE `accounts` SET `version` = ?"]);
        insert(session, 2) // nothing was sent, and nothing is lost
    })?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

/// What would go wrong in rows that nobody reads any more is no error of those who have read enough, and what comes next
/// works.
#[test]
fn cursor_explode() -> aludel::Result<()> {
    let (stage, engine, log) = heard();
    engine.begin(|session| {
        for id in [1, 2, 3] {
            insert(session, id)?;
        }
        stage
            .script
            .fail_at_row(2, DatabaseErrorKind::Unknown, "disk I/O error");
        let mut rows = accounts::table
            .select(accounts::id)
            .load_iter::<i32, DefaultLoadingMode>(session)?;
        assert_eq!(rows.next().transpose()?, Some(1));
        drop(rows);
        assert_eq!(stage.script.remaining(), 1, "nobody asked for the second row");
        insert(session, 4)
    })?;
    log.expect(&[]);
    assert_eq!(stage.rows(), [1, 2, 3, 4]);
    assert_eq!(engine.pool().closed(), 0);
    Ok(())
}
