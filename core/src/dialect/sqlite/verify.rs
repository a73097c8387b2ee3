//! Commit tokens on SQLite: one writer at a time, so a resolver that holds the write lock knows everything.

use std::time::Duration;

use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::limit::{busy_timeout, set_busy_timeout};
use crate::dialect::verify::{Number, Word, identity};
use crate::verify::{KnownTable, Mark, Recorded};

/// Milliseconds are what SQLite's clock has.
pub(super) const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000";

pub(super) fn find_table(connection: &mut SqliteConnection) -> QueryResult<Option<KnownTable>> {
    if !is_there(connection, "aludel_commits")? {
        return Ok(None);
    }
    let Some(word) = outcome(connection, "identity")? else {
        return Ok(None);
    };
    Ok(Some(KnownTable {
        identity: identity(&word)?,
        asks_by_number: false,
    }))
}

pub(super) fn is_there(connection: &mut SqliteConnection, table: &str) -> QueryResult<bool> {
    let there = "SELECT count(*) AS value FROM sqlite_master WHERE type = 'table' AND name = ?";
    let found: Number = sql_query(there).bind::<Text, _>(table).get_result(connection)?;
    Ok(found.value > 0)
}

pub(super) fn record(connection: &mut SqliteConnection, key: &str, table: KnownTable) -> QueryResult<Recorded> {
    let insert = format!(
        "INSERT INTO aludel_commits (token, outcome, created_at) VALUES (?, 'committed', {NOW}) \
         RETURNING created_at AS value"
    );
    let written: Number = sql_query(insert).bind::<Text, _>(key).get_result(connection)?;
    Ok(Recorded {
        table: table.identity,
        created_at: written.value,
        backend: None,
        server: None,
        transaction: None,
    })
}

pub(super) fn fence(connection: &mut SqliteConnection, key: &str) -> QueryResult<bool> {
    let insert =
        format!("INSERT OR IGNORE INTO aludel_commits (token, outcome, created_at) VALUES (?, 'fenced', {NOW})");
    Ok(sql_query(insert).bind::<Text, _>(key).execute(connection)? == 1)
}

pub(super) fn read(connection: &mut SqliteConnection, key: &str) -> QueryResult<Option<Mark>> {
    Ok(outcome(connection, key)?.as_deref().and_then(Mark::parse))
}

fn outcome(connection: &mut SqliteConnection, key: &str) -> QueryResult<Option<String>> {
    let row: Option<Word> = sql_query("SELECT outcome AS value FROM aludel_commits WHERE token = ?")
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.map(|row| row.value))
}

pub(super) fn clock(connection: &mut SqliteConnection) -> QueryResult<i64> {
    Ok(sql_query(format!("SELECT {NOW} AS value"))
        .get_result::<Number>(connection)?
        .value)
}

pub(super) fn purge(connection: &mut SqliteConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM aludel_commits WHERE token IN \
         (SELECT token FROM aludel_commits WHERE created_at < ? ORDER BY created_at LIMIT ?)",
    )
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(connection)
}

pub(super) fn bound_lock_waits(connection: &mut SqliteConnection, limit: Duration) -> QueryResult<String> {
    let was = busy_timeout(connection)?;
    set_busy_timeout(connection, limit)?;
    Ok(was.as_millis().to_string())
}

pub(super) fn put_lock_waits_back(connection: &mut SqliteConnection, was: &str) -> QueryResult<()> {
    let was = Duration::from_millis(was.parse().unwrap_or_default());
    set_busy_timeout(connection, was)
}
