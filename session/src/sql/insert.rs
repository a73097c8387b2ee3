//! INSERT of one row and of many, with the keys that the database makes.

use aludel_core::Flavour;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::result::QueryResult;

use super::keys::comma;
use crate::model::{Columns, Persist};

/// `INSERT INTO table (..) VALUES (..), (..) RETURNING key`.
#[derive(Debug)]
pub(crate) struct Insert<'a, M> {
    pub(crate) flavour: Flavour,
    pub(crate) rows: &'a [&'a M],
    /// The columns that are written; the same ones of each row.
    pub(crate) columns: Columns,
    /// Whether the key is given back.
    pub(crate) returning: bool,
    /// Whether a statement with so many rows will be sent again.
    pub(crate) cached: bool,
}

impl<M> QueryId for Insert<'_, M> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M, Conn> RunQueryDsl<Conn> for Insert<'_, M> {}

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for Insert<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if !self.cached {
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql("INSERT INTO ");
        M::walk_table(pass.reborrow())?;
        self.walk_columns(&mut pass)?;
        // PostgreSQL makes the keys of a SELECT's rows in the order of its ORDER BY, and promises nothing of VALUES.
        if self.returning && self.rows.len() > 1 && self.flavour == Flavour::PostgreSql {
            self.walk_ordered(&mut pass)?;
        } else {
            self.walk_values(&mut pass)?;
        }
        if self.returning {
            pass.push_sql(" RETURNING ");
            pass.push_identifier(M::shape().columns[0].name)?;
        }
        Ok(())
    }
}

impl<M> Insert<'_, M> {
    fn walk_columns<DB: Backend>(&self, pass: &mut AstPass<'_, '_, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        if self.columns.is_empty() && self.flavour != Flavour::MySql {
            return Ok(());
        }
        pass.push_sql(" (");
        for (at, column) in self.columns.iter().enumerate() {
            comma(pass, at);
            pass.push_identifier(M::shape().columns[column].name)?;
        }
        pass.push_sql(")");
        Ok(())
    }

    fn walk_values<'b, DB: Backend>(&'b self, pass: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        if self.columns.is_empty() && self.flavour != Flavour::MySql {
            pass.push_sql(" DEFAULT VALUES");
            return Ok(());
        }
        let columns: Vec<usize> = self.columns.iter().collect();
        pass.push_sql(" VALUES (");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                pass.push_sql("), (");
            }
            walk_row(*row, &columns, pass)?;
        }
        pass.push_sql(")");
        Ok(())
    }

    fn walk_ordered<'b, DB: Backend>(&'b self, pass: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        pass.push_sql(" SELECT ");
        for (at, column) in self.columns.iter().enumerate() {
            comma(pass, at);
            pass.push_identifier(M::shape().columns[column].name)?;
        }
        let columns: Vec<usize> = self.columns.iter().collect();
        pass.push_sql(" FROM (VALUES ");
        for (at, row) in self.rows.iter().enumerate() {
            comma(pass, at);
            pass.push_sql("(");
            walk_row(*row, &columns, pass)?;
            pass.push_sql(", ");
            pass.push_sql(&at.to_string());
            pass.push_sql(")");
        }
        pass.push_sql(") AS aludel_rows(");
        for column in self.columns.iter() {
            pass.push_identifier(M::shape().columns[column].name)?;
            pass.push_sql(", ");
        }
        pass.push_sql("aludel_ordinal) ORDER BY aludel_ordinal");
        Ok(())
    }
}

fn walk_row<'b, M: Persist<DB>, DB: Backend>(
    row: &'b M,
    columns: &[usize],
    pass: &mut AstPass<'_, 'b, DB>,
) -> QueryResult<()> {
    for (at, &column) in columns.iter().enumerate() {
        comma(pass, at);
        row.bind(column, pass.reborrow())?;
    }
    Ok(())
}
