//! How long SQLite waits for a lock. Nothing bounds the work of a statement there: it runs on the caller's own thread.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;

use crate::dialect::verify::Number;

pub(super) fn busy_timeout(connection: &mut SqliteConnection) -> QueryResult<Duration> {
    let query = "SELECT timeout AS value FROM pragma_busy_timeout";
    let milliseconds = diesel::sql_query(query).get_result::<Number>(connection)?.value;
    Ok(Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()))
}

pub(super) fn set_busy_timeout(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", timeout.as_millis()))
}

/// How long it was before, if it was longer.
pub(super) fn bound(connection: &mut SqliteConnection, limit: Duration) -> QueryResult<Option<Duration>> {
    let was = busy_timeout(connection)?;
    if was <= limit {
        return Ok(None);
    }
    set_busy_timeout(connection, limit)?;
    Ok(Some(was))
}
