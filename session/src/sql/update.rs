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
            (_, Flavour::MySql) => self.walk_typed_join(pass),
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
        self.walk_rows(&mut pass)?;
        pass.push_sql(") AS ");
        pass.push_sql(ROWS);
        pass.push_sql(" WHERE ");
        self.walk_match(&mut pass)
    }

    /// ` AS t JOIN (SELECT .. FROM t WHERE FALSE UNION ALL VALUES ..) AS v ON t.key = v.key SET t.a = v.a`: the same, where
    /// MariaDB takes the types and the collations of `v` from the table's own columns. By themselves VALUES would have those of
    /// their first row, and would be compared with the table's by a collation that may be another one.
    fn walk_typed_join<'b, DB: Backend>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        let shape = M::shape();
        let matched = self.matched::<DB>().count();
        pass.push_sql(" AS ");
        pass.push_sql(TABLE);
        pass.push_sql(" JOIN (SELECT ");
        for (at, column) in self.matched::<DB>().chain(self.columns.iter()).enumerate() {
            comma(&mut pass, at);
            pass.push_identifier(shape.columns[column].name)?;
            pass.push_sql(" AS column");
            pass.push_sql(&(at + 1).to_string());
        }
        pass.push_sql(" FROM ");
        M::walk_table(pass.reborrow())?;
        pass.push_sql(" WHERE FALSE UNION ALL VALUES ");
        self.walk_rows(&mut pass)?;
        pass.push_sql(") AS ");
        pass.push_sql(ROWS);
        pass.push_sql(" ON ");
        self.walk_match(&mut pass)?;
        pass.push_sql(" SET ");
        for (at, column) in self.columns.iter().enumerate() {
            comma(&mut pass, at);
            push_own(&mut pass, shape.columns[column].name)?;
            pass.push_sql(" = ");
            push_column(&mut pass, matched + at);
        }
        Ok(())
    }

    fn walk_rows<'b, DB: Backend>(&'b self, pass: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        let keys = M::shape().keys;
        let columns: Vec<usize> = self.columns.iter().collect();
        pass.push_sql("(");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                pass.push_sql("), (");
            }
            for column in 0..keys {
                comma(pass, column);
                row.loaded.bind(column, pass.reborrow())?;
            }
            if let Some(version) = self.version {
                pass.push_sql(", ");
                row.loaded.bind(version, pass.reborrow())?;
            }
            for &column in &columns {
                pass.push_sql(", ");
                row.value.bind(column, pass.reborrow())?;
            }
        }
        pass.push_sql(")");
        Ok(())
    }

    fn walk_match<DB: Backend>(&self, pass: &mut AstPass<'_, '_, DB>) -> QueryResult<()>
    where
        M: Persist<DB>,
    {
        for (at, column) in self.matched::<DB>().enumerate() {
            if at > 0 {
                pass.push_sql(" AND ");
            }
            push_own(pass, M::shape().columns[column].name)?;
            pass.push_sql(" = ");
            push_column(pass, at);
        }
        Ok(())
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

/// A column of the table.
fn push_own<DB: Backend>(pass: &mut AstPass<'_, '_, DB>, name: &str) -> QueryResult<()> {
    pass.push_sql(TABLE);
    pass.push_sql(".");
    pass.push_identifier(name)
}

/// A column of VALUES: `column1` is the name that SQLite and PostgreSQL give the first one.
fn push_column<DB: Backend>(pass: &mut AstPass<'_, '_, DB>, at: usize) {
    pass.push_sql(ROWS);
    pass.push_sql(".column");
    pass.push_sql(&(at + 1).to_string());
}
