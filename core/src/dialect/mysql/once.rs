//! Results under a key on MariaDB and MySQL.

use diesel::mysql::MysqlConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::verify::{NOW, Rollback, rolls_back};
use crate::dialect::once::KeptRow;
use crate::error::{Error, Refused};
use crate::once::Kept;

pub(super) fn find_table(connection: &mut MysqlConnection) -> QueryResult<bool> {
    match rolls_back(connection, "aludel_results")? {
        Rollback::NoTable => Ok(false),
        Rollback::Yes => Ok(true),
        // Its row would say that what was rolled back has been done.
        Rollback::No => Err(Refused::wrap(Error::misuse(
            "the table aludel_results cannot roll a row back, so it cannot tell what was done; make it with ENGINE=InnoDB \
             (ResultTable::sql)",
        ))),
    }
}

pub(super) fn claim(connection: &mut MysqlConnection, key: &str, scope: &str) -> QueryResult<bool> {
    // Not INSERT IGNORE, which takes more than a duplicate for a warning.
    let insert = format!("INSERT INTO aludel_results (once_key, scope, created_at) VALUES (?, ?, {NOW})");
    let inserted = sql_query(insert)
        .bind::<Text, _>(key)
        .bind::<Text, _>(scope)
        .execute(connection);
    match inserted {
        Ok(_) => Ok(true),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn read(connection: &mut MysqlConnection, key: &str) -> QueryResult<Option<Kept>> {
    // A locking read sees what is committed now, whatever the transaction's snapshot is.
    let select = "SELECT CONVERT(scope USING utf8mb4) AS scope, result FROM aludel_results WHERE once_key = ? \
                  LOCK IN SHARE MODE";
    let row: Option<KeptRow> = sql_query(select)
        .bind::<Text, _>(key)
        .get_result(connection)
        .optional()?;
    Ok(row.map(Kept::from))
}

pub(super) fn keep(connection: &mut MysqlConnection, key: &str, result: &str) -> QueryResult<bool> {
    let kept = sql_query("UPDATE aludel_results SET result = ? WHERE once_key = ?")
        .bind::<Text, _>(result)
        .bind::<Text, _>(key)
        .execute(connection)?;
    Ok(kept == 1)
}

pub(super) fn purge(connection: &mut MysqlConnection, before: i64, limit: i64) -> QueryResult<usize> {
    sql_query("DELETE FROM aludel_results WHERE created_at < ? ORDER BY created_at LIMIT ?")
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(connection)
}
