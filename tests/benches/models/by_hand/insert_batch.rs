//! Many rows in an INSERT, as Diesel's `values` takes them. Diesel prepares each anew.

use diesel::prelude::*;
use diesel::{MysqlConnection, SqliteConnection};

use super::insert_row_by_row::last_insert_id;
use crate::entry::{Entry, entries};

pub(super) fn on_sqlite(connection: &mut SqliteConnection, rows: &mut [Entry], page: usize) -> QueryResult<()> {
    for page in rows.chunks_mut(page) {
        let new: Vec<_> = page.iter().map(Entry::to_insert).collect();
        let keys: Vec<i64> = diesel::insert_into(entries::table)
            .values(new)
            .returning(entries::id)
            .get_results(connection)?;
        take_keys(page, &keys);
    }
    Ok(())
}

pub(super) fn on_mariadb(connection: &mut MysqlConnection, rows: &mut [Entry], page: usize) -> QueryResult<()> {
    for page in rows.chunks_mut(page) {
        let new: Vec<_> = page.iter().map(Entry::to_insert).collect();
        diesel::insert_into(entries::table).values(new).execute(connection)?;
        count_keys(page, last_insert_id(connection)?);
    }
    Ok(())
}

/// Nobody promises that keys are returned in the order of the rows. SQLite does it, and ascending keys show it.
pub(super) fn take_keys(page: &mut [Entry], keys: &[i64]) {
    assert!(keys.len() == page.len() && keys.is_sorted());
    for (row, key) in page.iter_mut().zip(keys) {
        row.id = *key;
    }
}

/// The keys of an INSERT whose number of rows MariaDB knows beforehand follow each other, by 1 where
/// `auto_increment_increment` is what it is here.
pub(super) fn count_keys(page: &mut [Entry], first: i64) {
    for (row, key) in page.iter_mut().zip(first..) {
        row.id = key;
    }
}
