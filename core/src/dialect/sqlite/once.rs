//! Results under a key on SQLite: one writer at a time, so whoever claims a key has waited for all others.

use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::verify::{NOW, is_there};
use crate::dialect::once::KeptRow;
use crate::once::Kept;

pub(super) fn find_table(connection: &mut SqliteConnection) -> QueryResult<bool> {
    is_there(connection, "aludel_results")
}

pub(super) fn claim(connection: &mut SqliteConnection, key: &str, scope: &str) -> QueryResult<bool> {
    // OR IGNORE would pass over more than a duplicate.
    let insert = format!(
        "INSERT INTO aludel_results (once_key, scope, created_at) VALUES (?, ?, {NOW}) ON CONFLICT (once_key) DO NOTHING"
    );
    let inserted = sql_query(insert)
        .bind::<Text, _>(key)
        .bind::<Text, _>(scope)
        .execute(connection)?;
    Ok(inserted == 1)
}

pub(super) fn read(connection: &mut SqliteConnection, key: &str) -> QueryResult<Option<Kept>> {
    let row: Option<KeptRow> = sql_query("SELECT scope, result FROM aludel_results WHERE once_key = ?")
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.map(Kept::from))
}

pub(super) fn keep(connection: &mut SqliteConnection, key: &str, result: &str) -> QueryResult<bool> {
    let kept = sql_query("UPDATE aludel_results SET result = ? WHERE once_key = ?")
        .bind::<Text, _>(result)
        .bind::<Text, _>(key)
        .execute(connection)?;
    Ok(kept == 1)
}

pub(super) fn purge(connection: &mut SqliteConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM aludel_results WHERE once_key IN \
         (SELECT once_key FROM aludel_results WHERE created_at < ? ORDER BY created_at LIMIT ?)",
    )
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(connection)
}
