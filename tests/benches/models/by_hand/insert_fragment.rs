//! Many rows in an INSERT, as a query fragment: unlike Diesel's own it is prepared once for all pages of one size.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Integer, Nullable, Text};
use diesel::{MysqlConnection, SqliteConnection};

use super::insert_row_by_row::last_insert_id;
use crate::entry::Entry;

/// `RETURNING` is what stands at the end.
struct Page<'a> {
    rows: &'a [Entry],
    end: &'static str,
}

pub(super) fn on_sqlite(connection: &mut SqliteConnection, rows: &mut [Entry], page: usize) -> QueryResult<()> {
    for rows in rows.chunks_mut(page) {
        let end = " RETURNING id";
        let keys: Vec<i64> = Page { rows, end }.load(connection)?;
        super::insert_batch::take_keys(rows, &keys);
    }
    Ok(())
}

/// Not with RETURNING: what a prepared one answers is known to MariaDB only when it is executed, and Diesel asks before.
pub(super) fn on_mariadb(connection: &mut MysqlConnection, rows: &mut [Entry], page: usize) -> QueryResult<()> {
    for rows in rows.chunks_mut(page) {
        Page { rows, end: "" }.execute(connection)?;
        super::insert_batch::count_keys(rows, last_insert_id(connection)?);
    }
    Ok(())
}

impl<DB> QueryFragment<DB> for Page<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Integer>,
    i64: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
    Option<i32>: ToSql<Nullable<Integer>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("INSERT INTO entries (name, amount, score) VALUES ");
        for (number, row) in self.rows.iter().enumerate() {
            out.push_sql(if number == 0 { "(" } else { ", (" });
            out.push_bind_param::<Text, _>(&row.name)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.amount)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Integer>, _>(&row.score)?;
            out.push_sql(")");
        }
        out.push_sql(self.end);
        Ok(())
    }
}

impl QueryId for Page<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Page<'_> {
    type SqlType = BigInt;
}

impl<C> RunQueryDsl<C> for Page<'_> {}
