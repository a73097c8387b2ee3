//! Many rows in an UPDATE, by a CASE with a branch for each.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};
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

impl<DB> QueryFragment<DB> for Page<'_>
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE entries SET amount = CASE id");
        for row in self.0 {
            out.push_sql(" WHEN ");
            out.push_bind_param::<BigInt, _>(&row.id)?;
            out.push_sql(" THEN ");
            out.push_bind_param::<BigInt, _>(&row.amount)?;
        }
        out.push_sql(" END WHERE id IN (");
        for (number, row) in self.0.iter().enumerate() {
            if number > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<BigInt, _>(&row.id)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for Page<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> RunQueryDsl<C> for Page<'_> {}
