//! One INSERT a row, prepared once.

use diesel::prelude::*;
use diesel::{MysqlConnection, SqliteConnection};

use crate::entry::{Entry, entries};

pub(super) fn on_sqlite(connection: &mut SqliteConnection, rows: &mut [Entry], _: usize) -> QueryResult<()> {
    for row in rows {
        row.id = diesel::insert_into(entries::table)
            .values(row.to_insert())
            .returning(entries::id)
            .get_result(connection)?;
    }
    Ok(())
}

/// Diesel has no RETURNING here.
pub(super) fn on_mariadb(connection: &mut MysqlConnection, rows: &mut [Entry], _: usize) -> QueryResult<()> {
    for row in rows {
        diesel::insert_into(entries::table)
            .values(row.to_insert())
            .execute(connection)?;
        row.id = last_insert_id(connection)?;
    }
    Ok(())
}

diesel::define_sql_function! {
    /// As a function with a type it is prepared once, which a piece of SQL text would not be.
    #[sql_name = "LAST_INSERT_ID"]
    fn last_insert_id_of_server() -> Unsigned<BigInt>;
}

/// The first key that the last INSERT on this connection has made.
pub(super) fn last_insert_id(connection: &mut MysqlConnection) -> QueryResult<i64> {
    let key: u64 = diesel::select(last_insert_id_of_server()).get_result(connection)?;
    Ok(i64::try_from(key).expect("keys are counted from 1"))
}
