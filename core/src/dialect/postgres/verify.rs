//! Commit tokens on PostgreSQL.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::dialect::verify::{Number, Word, identity};
use crate::verify::{CommitToken, KnownTable, Mark, Recorded, ServerTransactionId, ServerWord};

pub(super) const NOW: &str = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint";

/// Which server this is, and on which timeline it writes now. (That of the last checkpoint is still the old one for a
/// while after a standby has taken over.)
const SYSTEM: &str = "(SELECT system_identifier::text FROM pg_control_system())";
const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

#[derive(QueryableByName)]
struct Truth {
    #[diesel(sql_type = Bool)]
    value: bool,
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    backend: i64,
    #[diesel(sql_type = Nullable<Text>)]
    xid: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    system: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    timeline: Option<String>,
}

pub(super) fn find_table(connection: &mut PgConnection) -> QueryResult<Option<KnownTable>> {
    // Before PostgreSQL 13 they have other names, and what only speaks its protocol has none of them.
    let functions = "SELECT count(DISTINCT proname) = 6 AS value FROM pg_catalog.pg_proc WHERE proname IN \
                     ('pg_current_xact_id', 'pg_current_xact_id_if_assigned', 'pg_xact_status', 'pg_control_system', \
                      'pg_walfile_name', 'pg_current_wal_lsn') AND has_function_privilege(oid, 'EXECUTE')";
    if !is_there(connection, "aludel_commits")? {
        return Ok(None);
    }
    let row: Option<Word> = sql_query("SELECT outcome AS value FROM aludel_commits WHERE token = 'identity'")
        .get_result(connection)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(KnownTable {
        identity: identity(&row.value)?,
        asks_by_number: sql_query(functions).get_result::<Truth>(connection)?.value,
    }))
}

pub(super) fn is_there(connection: &mut PgConnection, table: &str) -> QueryResult<bool> {
    let there: Truth = sql_query("SELECT to_regclass($1) IS NOT NULL AS value")
        .bind::<Text, _>(table)
        .get_result(connection)?;
    Ok(there.value)
}

pub(super) fn record(connection: &mut PgConnection, key: &str, table: KnownTable) -> QueryResult<Recorded> {
    let by_number = if table.asks_by_number {
        format!("pg_current_xact_id()::text AS xid, {SYSTEM} AS system, {TIMELINE} AS timeline")
    } else {
        "NULL AS xid, NULL AS system, NULL AS timeline".to_owned()
    };
    let insert = format!(
        "INSERT INTO aludel_commits (token, outcome, created_at) VALUES ($1, 'committed', {NOW}) \
         RETURNING created_at, pg_backend_pid()::bigint AS backend, {by_number}"
    );
    let written: Written = sql_query(insert).bind::<Text, _>(key).get_result(connection)?;
    let transaction = match (written.xid, written.timeline) {
        (Some(xid), Some(timeline)) => xid
            .parse()
            .ok()
            .zip(u32::from_str_radix(&timeline, 16).ok())
            .map(|(xid, timeline)| ServerTransactionId { xid, timeline }),
        _ => None,
    };
    Ok(Recorded {
        table: table.identity,
        created_at: written.created_at,
        backend: Some(written.backend),
        server: written.system.and_then(|system| system.parse().ok()),
        transaction,
    })
}

pub(super) fn has_written(connection: &mut PgConnection, table: KnownTable) -> QueryResult<Option<bool>> {
    if !table.asks_by_number {
        return Ok(None);
    }
    let query = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS value";
    Ok(Some(sql_query(query).get_result::<Truth>(connection)?.value))
}

pub(super) fn fence(connection: &mut PgConnection, key: &str) -> QueryResult<bool> {
    // At READ COMMITTED it waits for whoever is writing the same key, and an error would abort the transaction.
    let insert = format!(
        "INSERT INTO aludel_commits (token, outcome, created_at) VALUES ($1, 'fenced', {NOW}) ON CONFLICT DO NOTHING"
    );
    Ok(sql_query(insert).bind::<Text, _>(key).execute(connection)? == 1)
}

pub(super) fn read(connection: &mut PgConnection, key: &str) -> QueryResult<Option<Mark>> {
    let row: Option<Word> = sql_query("SELECT outcome AS value FROM aludel_commits WHERE token = $1")
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.and_then(|row| Mark::parse(&row.value)))
}

pub(super) fn clock(connection: &mut PgConnection) -> QueryResult<i64> {
    Ok(sql_query(format!("SELECT {NOW} AS value"))
        .get_result::<Number>(connection)?
        .value)
}

/// Only "aborted" is believed. After a crash a number that had reached no disk is given out again, so "committed" may be
/// somebody else's; the row knows better. An abort of either says that ours was never committed.
pub(super) fn ask_by_number(
    connection: &mut PgConnection,
    token: &CommitToken,
    table: KnownTable,
) -> QueryResult<ServerWord> {
    let recorded = token.recorded();
    let (Some(ServerTransactionId { xid, timeline }), Some(server), true) =
        (recorded.transaction, recorded.server, table.asks_by_number)
    else {
        return Ok(ServerWord::Unsure);
    };
    // A number of the future is an error to pg_xact_status, and one of another history says nothing; CASE keeps the order.
    let query = format!(
        "SELECT CASE WHEN {SYSTEM} = $1 AND {TIMELINE} = $2 AND $3::xid8 < pg_snapshot_xmax(pg_current_snapshot()) \
         THEN pg_xact_status($3::xid8) = 'aborted' ELSE FALSE END IS TRUE AS value"
    );
    let aborted: Truth = sql_query(query)
        .bind::<Text, _>(server.to_string())
        .bind::<Text, _>(format!("{timeline:08X}"))
        .bind::<Text, _>(xid.to_string())
        .get_result(connection)?;
    Ok(if aborted.value {
        ServerWord::Aborted
    } else {
        ServerWord::Unsure
    })
}

/// The process that still has this very transaction open: process numbers come again.
pub(super) fn end_backend(connection: &mut PgConnection, token: &CommitToken) -> QueryResult<bool> {
    let recorded = token.recorded();
    let (Some(backend), Some(ServerTransactionId { xid, timeline })) = (recorded.backend, recorded.transaction) else {
        return Ok(false);
    };
    // The view shows the lower half of the number.
    let short = xid & u64::from(u32::MAX);
    let query = format!(
        "SELECT COALESCE(bool_or(pg_terminate_backend(pid)), FALSE) AS value FROM pg_stat_activity \
         WHERE pid = $1 AND backend_xid::text = $2 AND {TIMELINE} = $3"
    );
    let ended: Truth = sql_query(query)
        .bind::<BigInt, _>(backend)
        .bind::<Text, _>(short.to_string())
        .bind::<Text, _>(format!("{timeline:08X}"))
        .get_result(connection)?;
    Ok(ended.value)
}

pub(super) fn purge(connection: &mut PgConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM aludel_commits WHERE token IN \
         (SELECT token FROM aludel_commits WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(connection)
}

pub(super) fn bound_lock_waits(connection: &mut PgConnection, limit: Duration) -> QueryResult<String> {
    let was: Word = sql_query("SELECT current_setting('lock_timeout') AS value").get_result(connection)?;
    // 0 would be for ever.
    set_lock_waits(connection, &limit.as_millis().max(1).to_string())?;
    Ok(was.value)
}

pub(super) fn put_lock_waits_back(connection: &mut PgConnection, was: &str) -> QueryResult<()> {
    set_lock_waits(connection, was)
}

fn set_lock_waits(connection: &mut PgConnection, value: &str) -> QueryResult<()> {
    sql_query("SELECT set_config('lock_timeout', $1, FALSE) AS value")
        .bind::<Text, _>(value)
        .get_result::<Word>(connection)
        .map(drop)
}
