//! Results under a key on PostgreSQL.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::verify::{NOW, is_there};
use crate::dialect::once::KeptRow;
use crate::once::Kept;

pub(super) fn find_table(connection: &mut PgConnection) -> QueryResult<bool> {
    is_there(connection, "aludel_results")
}

pub(super) fn claim(connection: &mut PgConnection, key: &str, scope: &str) -> QueryResult<bool> {
    // It waits for whoever is using the same key, and an error would abort the transaction. Above READ COMMITTED a row that
    // the snapshot does not have is one all the same: 40001.
    let insert = format!(
        "INSERT INTO aludel_results (once_key, scope, created_at) VALUES ($1, $2, {NOW}) ON CONFLICT DO NOTHING"
    );
    let inserted = sql_query(insert)
        .bind::<Text, _>(key)
        .bind::<Text, _>(scope)
        .execute(connection)?;
    Ok(inserted == 1)
}

pub(super) fn read(connection: &mut PgConnection, key: &str) -> QueryResult<Option<Kept>> {
    let row: Option<KeptRow> = sql_query("SELECT scope, result FROM aludel_results WHERE once_key = $1")
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.map(Kept::from))
}

pub(super) fn keep(connection: &mut PgConnection, key: &str, result: &str) -> QueryResult<bool> {
    let kept = sql_query("UPDATE aludel_results SET result = $1 WHERE once_key = $2")
        .bind::<Text, _>(result)
        .bind::<Text, _>(key)
        .execute(connection)?;
    Ok(kept == 1)
}

pub(super) fn purge(connection: &mut PgConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM aludel_results WHERE once_key IN \
         (SELECT once_key FROM aludel_results WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(connection)
}
