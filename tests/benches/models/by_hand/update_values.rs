//! Many rows in an UPDATE, by a join with a table of values.

use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;
use diesel::{MysqlConnection, SqliteConnection};

use crate::entry::Entry;

struct Page<'a>(&'a [Entry]);

pub(super) fn on_sqlite(connection: &mut SqliteConnection, rows: &[Entry], page: usize) -> QueryResult<()> {
    for page in rows.chunks(page) {
        assert_eq!(Page(page).execute(connection)?, page.len());
    }
    Ok(())
}

pub(super) fn on_mariadb(connection: &mut MysqlConnection, rows: &[Entry], page: usize) -> QueryResult<()> {
    for page in rows.chunks(page) {
        assert_eq!(Page(page).execute(connection)?, page.len());
    }
    Ok(())
}

impl QueryFragment<Sqlite> for Page<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE entries SET amount = new.column2 FROM (VALUES ");
        for (number, row) in self.0.iter().enumerate() {
            out.push_sql(if number == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&row.id)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.amount)?;
            out.push_sql(")");
        }
        out.push_sql(") AS new WHERE entries.id = new.column1");
        Ok(())
    }
}

/// A VALUES alone gives its columns no names here, and the types of its first row: a longer number further down is an error.
impl QueryFragment<Mysql> for Page<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql("UPDATE entries JOIN (SELECT id, amount FROM entries WHERE FALSE UNION ALL VALUES ");
        for (number, row) in self.0.iter().enumerate() {
            out.push_sql(if number == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&row.id)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.amount)?;
            out.push_sql(")");
        }
        out.push_sql(") AS new ON entries.id = new.id SET entries.amount = new.amount");
        Ok(())
    }
}

impl QueryId for Page<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> RunQueryDsl<C> for Page<'_> {}
