//! UPDATE of one row, and of many rows that change the same columns.

use aludel_core::Flavour;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::result::QueryResult;

use super::keys::{comma, walk_in};
use crate::model::{Columns, Persist};

/// A row as it is to be, and as it was read.
#[derive(Debug)]
pub(crate) struct Pair<'a, M> {
    pub(crate) value: &'a M,
    pub(crate) loaded: &'a M,
}

/// One UPDATE for all of its rows.
#[derive(Debug)]
pub(crate) struct Update<'a, M> {
    pub(crate) flavour: Flavour,
    pub(crate) rows: &'a [Pair<'a, M>],
    /// The columns that are written, the version among them.
    pub(crate) columns: Columns,
    /// The version as it was read must still be there.
    pub(crate) version: Option<usize>,
    /// Whether a statement with so many rows will be sent again.
    pub(crate) cached: bool,
}

impl<M> QueryId for Update<'_, M> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M, Conn> RunQueryDsl<Conn> for Update<'_, M> {}

/// The name of the table inside an UPDATE, and that of the rows with the new values.
const TABLE: &str = "aludel_table";
const ROWS: &str = "aludel_rows";

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for Update<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if !self.cached {
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql("UPDATE ");
        M::walk_table(pass.reborrow())?;
        match (self.rows, self.flavour) {
            ([row], _) => self.walk_one(row, pass),
            (_, Flavour::MySql) => self.walk_cases(pass),
            _ => self.walk_join(pass),
        }
    }
}

impl<M> Update<'_, M> {
    /// ` SET a = ? WHERE key = ? AND version = ?`
    fn walk_one<'b, DB: Backend>(&self, row: &Pair<'b, M>, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        let shape = M::shape();
        pass.push_sql(" SET ");
        for (at, column) in self.columns.iter().enumerate() {
            comma(&mut pass, at);
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" = ");
            row.value.bind(column, pass.reborrow())?;
        }
        pass.push_sql(" WHERE ");
        for (at, column) in self.matched::<DB>().enumerate() {
            if at > 0 {
                pass.push_sql(" AND ");
            }
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" = ");
            row.loaded.bind(column, pass.reborrow())?;
        }
        Ok(())
    }

    /// ` AS t SET a = v.a FROM (VALUES ..) AS v WHERE t.key = v.key`: each row is looked up once.
    fn walk_join<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        let shape = M::shape();
        let matched = self.matched::<DB>().count();
        pass.push_sql(" AS ");
        pass.push_sql(TABLE);
        pass.push_sql(" SET ");
        for (at, column) in self.columns.iter().enumerate() {
            comma(&mut pass, at);
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" = ");
            push_column(&mut pass, matched + at);
        }
        pass.push_sql(" FROM (VALUES ");
        for (at, row) in self.rows.iter().enumerate() {
            comma(&mut pass, at);
            pass.push_sql("(");
            for (at, column) in self.matched::<DB>().enumerate() {
                comma(&mut pass, at);
                row.loaded.bind(column, pass.reborrow())?;
            }
            for column in self.columns.iter() {
                pass.push_sql(", ");
                row.value.bind(column, pass.reborrow())?;
            }
            pass.push_sql(")");
        }
        pass.push_sql(") AS ");
        pass.push_sql(ROWS);
        pass.push_sql(" WHERE ");
        for (at, column) in self.matched::<DB>().enumerate() {
            if at > 0 {
                pass.push_sql(" AND ");
            }
            pass.push_sql(TABLE);
            pass.push_sql(".");
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" = ");
            push_column(&mut pass, at);
        }
        Ok(())
    }

    /// ` SET a = CASE key WHEN ? THEN ? .. END WHERE key IN (..)`: MariaDB would compare the columns of a join by two
    /// collations, and refuse.
    fn walk_cases<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        let shape = M::shape();
        let names: Vec<_> = self.matched::<DB>().map(|column| shape.columns[column].name).collect();
        // The columns of the WHERE that are written as well come last: MariaDB sets from left to right, and what is on the
        // right of it would be compared with what is new.
        let (last, first): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .partition(|&column| self.matched::<DB>().any(|matched| matched == column));
        pass.push_sql(" SET ");
        for (at, &column) in first.iter().chain(&last).enumerate() {
            comma(&mut pass, at);
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" = CASE");
            if shape.keys == 1 {
                pass.push_sql(" ");
                pass.push_identifier(names[0])?;
            }
            for row in self.rows {
                pass.push_sql(" WHEN ");
                for (key, name) in names.iter().take(shape.keys).enumerate() {
                    if shape.keys > 1 {
                        pass.push_sql(if key == 0 { "" } else { " AND " });
                        pass.push_identifier(name)?;
                        pass.push_sql(" = ");
                    }
                    row.loaded.bind(key, pass.reborrow())?;
                }
                pass.push_sql(" THEN ");
                row.value.bind(column, pass.reborrow())?;
            }
            pass.push_sql(" END");
        }
        pass.push_sql(" WHERE ");
        walk_matched::<M, DB>(pass, self.flavour, self.version, self.rows.len(), |row| {
            self.rows[row].loaded
        })
    }

    /// The columns of the WHERE: the key, and the version.
    fn matched<DB: Backend>(&self) -> impl Iterator<Item = usize> + use<M, DB>
    where
        M: Persist<DB>,
    {
        (0..M::shape().keys).chain(self.version)
    }
}

/// `key IN (..)`, and where there is a version `(key, version) IN (..)` as well: an index on the key is used by the first.
pub(super) fn walk_matched<'b, M: Persist<DB>, DB: Backend>(
    mut pass: AstPass<'_, 'b, DB>,
    flavour: Flavour,
    version: Option<usize>,
    rows: usize,
    row: impl Fn(usize) -> &'b M,
) -> QueryResult<()> {
    let shape = M::shape();
    let mut names: Vec<_> = shape.columns[..shape.keys].iter().map(|column| column.name).collect();
    walk_in(pass.reborrow(), flavour, &names, rows, |at, column, pass| {
        row(at).bind(column, pass)
    })?;
    if let Some(version) = version {
        pass.push_sql(" AND ");
        names.push(shape.columns[version].name);
        walk_in(pass, flavour, &names, rows, |at, column, pass| {
            row(at).bind(if column < shape.keys { column } else { version }, pass)
        })?;
    }
    Ok(())
}

/// A column of VALUES: `column1` is the name that SQLite and PostgreSQL give the first one.
fn push_column<DB: Backend>(pass: &mut AstPass<'_, '_, DB>, at: usize) {
    pass.push_sql(ROWS);
    pass.push_sql(".column");
    pass.push_sql(&(at + 1).to_string());
}
