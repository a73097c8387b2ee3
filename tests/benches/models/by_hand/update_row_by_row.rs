//! One UPDATE a row, prepared once.

use diesel::prelude::*;
use diesel::{MysqlConnection, SqliteConnection};

use crate::entry::{Entry, entries};

macro_rules! one_by_one {
    ($name:ident, $connection:ty) => {
        pub(super) fn $name(connection: &mut $connection, rows: &[Entry], _: usize) -> QueryResult<()> {
            for row in rows {
                let written = diesel::update(entries::table.find(row.id))
                    .set(entries::amount.eq(row.amount))
                    .execute(connection)?;
                assert_eq!(written, 1);
            }
            Ok(())
        }
    };
}

one_by_one!(on_sqlite, SqliteConnection);
one_by_one!(on_mariadb, MysqlConnection);
