//! Commit tokens on MariaDB and MySQL.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::mysql::MysqlConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};

use crate::dialect::verify::{Number, Word, identity};
use crate::error::{Error, Refused};
use crate::verify::{CommitToken, KnownTable, Mark, Recorded};

/// Of the statement, not of the session: `SET timestamp` does not move it.
pub(super) const NOW: &str = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)";

/// Which server this is. In a cluster, or after a failover, connections have other numbers elsewhere.
const SERVER: &str = "CAST(CRC32(CONCAT_WS(':', @@hostname, @@port, @@datadir)) AS UNSIGNED)";

#[derive(QueryableByName)]
struct Here {
    #[diesel(sql_type = BigInt)]
    now: i64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    backend: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    server: u64,
}

pub(super) fn find_table(connection: &mut MysqlConnection) -> QueryResult<Option<KnownTable>> {
    match rolls_back(connection, "aludel_commits")? {
        Rollback::NoTable => return Ok(None),
        Rollback::Yes => {}
        // Its row would say `committed` of a transaction that was rolled back.
        Rollback::No => {
            return Err(Refused::wrap(Error::misuse(
                "the table aludel_commits cannot roll a row back, so it cannot tell what was committed; make it with \
                 ENGINE=InnoDB (CommitTable::sql)",
            )));
        }
    }
    let row: Option<Word> = sql_query("SELECT outcome AS value FROM aludel_commits WHERE token = 'identity'")
        .get_result(connection)
        .optional()?;
    row.map(|row| {
        Ok(KnownTable {
            identity: identity(&row.value)?,
            asks_by_number: false,
        })
    })
    .transpose()
}

/// Whether a table's engine can roll a row back.
pub(super) enum Rollback {
    Yes,
    No,
    NoTable,
}

pub(super) fn rolls_back(connection: &mut MysqlConnection, table: &str) -> QueryResult<Rollback> {
    let query = "SELECT COALESCE(MAX(e.transactions), IF(COUNT(*) > 0, 'NO', '')) AS value \
                 FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
                 WHERE t.table_schema = DATABASE() AND t.table_name = ?";
    let answer: Word = sql_query(query).bind::<Text, _>(table).get_result(connection)?;
    Ok(match answer.value.as_str() {
        "" => Rollback::NoTable,
        "YES" => Rollback::Yes,
        _ => Rollback::No,
    })
}

pub(super) fn record(connection: &mut MysqlConnection, key: &str, table: KnownTable) -> QueryResult<Recorded> {
    let here = here(connection)?;
    sql_query("INSERT INTO aludel_commits (token, outcome, created_at) VALUES (?, 'committed', ?)")
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(here.now)
        .execute(connection)?;
    Ok(Recorded {
        table: table.identity,
        created_at: here.now,
        backend: i64::try_from(here.backend).ok(),
        server: Some(here.server),
        transaction: None,
    })
}

fn here(connection: &mut MysqlConnection) -> QueryResult<Here> {
    let query = format!("SELECT {NOW} AS now, CAST(CONNECTION_ID() AS UNSIGNED) AS backend, {SERVER} AS server");
    sql_query(query).get_result(connection)
}

pub(super) fn fence(connection: &mut MysqlConnection, key: &str) -> QueryResult<bool> {
    // Not INSERT IGNORE, which takes more than a duplicate for a warning.
    let insert = format!("INSERT INTO aludel_commits (token, outcome, created_at) VALUES (?, 'fenced', {NOW})");
    match sql_query(insert).bind::<Text, _>(key).execute(connection) {
        Ok(_) => Ok(true),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn read(connection: &mut MysqlConnection, key: &str) -> QueryResult<Option<Mark>> {
    // A locking read sees what is committed now, whatever the transaction's snapshot is.
    let row: Option<Word> = sql_query("SELECT outcome AS value FROM aludel_commits WHERE token = ? LOCK IN SHARE MODE")
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.and_then(|row| Mark::parse(&row.value)))
}

pub(super) fn clock(connection: &mut MysqlConnection) -> QueryResult<i64> {
    Ok(sql_query(format!("SELECT {NOW} AS value"))
        .get_result::<Number>(connection)?
        .value)
}

pub(super) fn end_backend(connection: &mut MysqlConnection, token: &CommitToken) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Status {
        #[diesel(sql_type = Text, column_name = "Value")]
        value: String,
    }
    let recorded = token.recorded();
    let (Some(backend), Some(server)) = (recorded.backend, recorded.server) else {
        return Ok(false);
    };
    let here = here(connection)?;
    let uptime: Status = sql_query("SHOW GLOBAL STATUS LIKE 'Uptime'").get_result(connection)?;
    let Ok(uptime) = uptime.value.parse::<i64>() else {
        return Ok(false);
    };
    // After a restart connections are counted anew, and this number would be a stranger's. A second for the rounding.
    let started = here.now - (uptime - 1) * 1_000_000;
    if here.server != server || recorded.created_at < started {
        return Ok(false);
    }
    match connection.batch_execute(&format!("KILL CONNECTION {backend}")) {
        Ok(()) => Ok(true),
        // It has ended by itself meanwhile.
        Err(error) if is_alive(connection, backend)? => Err(error),
        Err(_) => Ok(false),
    }
}

fn is_alive(connection: &mut MysqlConnection, backend: i64) -> QueryResult<bool> {
    let query = "SELECT COUNT(*) AS value FROM information_schema.processlist WHERE id = ?";
    let found: Number = sql_query(query).bind::<BigInt, _>(backend).get_result(connection)?;
    Ok(found.value > 0)
}

pub(super) fn purge(connection: &mut MysqlConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query("DELETE FROM aludel_commits WHERE created_at < ? ORDER BY created_at LIMIT ?")
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(connection)
}

pub(super) fn bound_lock_waits(connection: &mut MysqlConnection, limit: Duration) -> QueryResult<String> {
    // Of rows, and of the table as a whole: a day on MariaDB, a year on MySQL.
    let query = "SELECT CONCAT_WS(' ', @@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout) AS value";
    let was = sql_query(query).get_result::<Word>(connection)?.value;
    // In whole seconds; MariaDB takes 0 for "do not wait", MySQL for 1.
    set_lock_waits(connection, limit.as_secs(), limit.as_secs())?;
    Ok(was)
}

pub(super) fn put_lock_waits_back(connection: &mut MysqlConnection, was: &str) -> QueryResult<()> {
    let parsed = was
        .split_once(' ')
        .and_then(|(rows, table)| Some((rows.parse().ok()?, table.parse().ok()?)));
    parsed.map_or(Ok(()), |(rows, table)| set_lock_waits(connection, rows, table))
}

fn set_lock_waits(connection: &mut MysqlConnection, rows: u64, table: u64) -> QueryResult<()> {
    connection.batch_execute(&format!(
        "SET SESSION innodb_lock_wait_timeout = {rows}, SESSION lock_wait_timeout = {table}"
    ))
}
