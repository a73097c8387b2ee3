//! What a good programmer writes with Diesel alone, one way a file. The fastest of them is whom the session is compared with.

mod insert_batch;
mod insert_fragment;
mod insert_row_by_row;
mod update_case;
mod update_row_by_row;
mod update_values;

use std::fmt;

use diesel::prelude::*;
use diesel::{MysqlConnection, SqliteConnection};

use crate::entry::{Entry, amount, entries};

/// Inserts the rows, so many in a statement, and fills in their keys.
pub(crate) type Insert<C> = fn(&mut C, &mut [Entry], usize) -> QueryResult<()>;

/// Writes the amounts of rows that are there, so many in a statement.
pub(crate) type Update<C> = fn(&mut C, &[Entry], usize) -> QueryResult<()>;

/// A way to do it.
#[derive(Clone, Copy)]
pub(crate) struct Way<F> {
    pub(crate) name: &'static str,
    /// Rows in a statement: where `--bench pages` has found it to be fastest.
    pub(crate) page: usize,
    pub(crate) run: F,
}

impl<F> fmt::Display for Way<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.page {
            1 => f.write_str(self.name),
            page => write!(f, "{} of {page} rows", self.name),
        }
    }
}

/// A raw connection, and how one writes with it by hand.
pub(crate) trait ByHand: diesel::Connection + 'static {
    const INSERTS: &'static [Way<Insert<Self>>];
    const UPDATES: &'static [Way<Update<Self>>];

    fn all_rows(&mut self) -> QueryResult<Vec<Entry>>;
}

macro_rules! way {
    ($name:literal, $page:literal, $run:expr) => {
        Way {
            name: $name,
            page: $page,
            run: $run,
        }
    };
}

impl ByHand for SqliteConnection {
    const INSERTS: &'static [Way<Insert<Self>>] = &[
        way!("row by row", 1, insert_row_by_row::on_sqlite),
        way!("Diesel's batch", 250, insert_batch::on_sqlite),
        way!("a fragment of one's own", 250, insert_fragment::on_sqlite),
    ];
    const UPDATES: &'static [Way<Update<Self>>] = &[
        way!("row by row", 1, update_row_by_row::on_sqlite),
        way!("CASE", 25, update_case::on_sqlite),
        way!("join with VALUES", 250, update_values::on_sqlite),
    ];

    fn all_rows(&mut self) -> QueryResult<Vec<Entry>> {
        entries::table.order(entries::id).select(Entry::as_select()).load(self)
    }
}

impl ByHand for MysqlConnection {
    const INSERTS: &'static [Way<Insert<Self>>] = &[
        way!("row by row", 1, insert_row_by_row::on_mariadb),
        way!("Diesel's batch and LAST_INSERT_ID", 1000, insert_batch::on_mariadb),
        way!("a fragment and LAST_INSERT_ID", 1000, insert_fragment::on_mariadb),
    ];
    const UPDATES: &'static [Way<Update<Self>>] = &[
        way!("row by row", 1, update_row_by_row::on_mariadb),
        way!("CASE", 100, update_case::on_mariadb),
        way!("join with VALUES", 2000, update_values::on_mariadb),
    ];

    fn all_rows(&mut self) -> QueryResult<Vec<Entry>> {
        entries::table.order(entries::id).select(Entry::as_select()).load(self)
    }
}

/// A transaction that inserts new rows, and learns their keys.
pub(crate) fn insert<C: ByHand>(connection: &mut C, way: Way<Insert<C>>, values: &[Entry]) -> Vec<i64> {
    let mut rows = values.to_vec();
    let written = connection.transaction(|connection| (way.run)(connection, &mut rows, way.page));
    written.expect("there is nothing in the way");
    rows.iter().map(|row| row.id).collect()
}

/// A transaction that loads all rows, changes a column of each and writes it.
pub(crate) fn update<C: ByHand>(connection: &mut C, way: Way<Update<C>>, round: u32) -> usize {
    let written = connection.transaction(|connection| {
        let mut rows = connection.all_rows()?;
        for (number, row) in rows.iter_mut().enumerate() {
            row.amount = amount(number, round);
        }
        (way.run)(connection, &rows, way.page)?;
        QueryResult::Ok(rows.len())
    });
    written.expect("there is nothing in the way")
}
