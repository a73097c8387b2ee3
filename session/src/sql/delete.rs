//! DELETE of rows as they were read.

use aludel_core::Flavour;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::result::QueryResult;

use super::keys::walk_in;
use super::update::walk_matched;
use crate::model::{Model, Persist};

/// `DELETE FROM table WHERE key IN (..) AND (key, version) IN (..)`.
#[derive(Debug)]
pub(crate) struct Delete<'a, M> {
    pub(crate) flavour: Flavour,
    pub(crate) rows: &'a [&'a M],
    /// The version as it was read must still be there.
    pub(crate) version: Option<usize>,
}

impl<M> QueryId for Delete<'_, M> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M, Conn> RunQueryDsl<Conn> for Delete<'_, M> {}

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for Delete<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        walk_delete_from::<M, DB>(&mut pass, self.rows.len())?;
        walk_matched::<M, DB>(pass, self.flavour, self.version, self.rows.len(), |row| self.rows[row])
    }
}

/// `DELETE FROM table WHERE key IN (..)`, of rows that were not read.
#[derive(Debug)]
pub(crate) struct DeleteKeys<'a, M: Model> {
    pub(crate) flavour: Flavour,
    pub(crate) keys: &'a [M::Key],
}

impl<M: Model> QueryId for DeleteKeys<'_, M> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M: Model, Conn> RunQueryDsl<Conn> for DeleteKeys<'_, M> {}

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for DeleteKeys<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        walk_delete_from::<M, DB>(&mut pass, self.keys.len())?;
        let shape = M::shape();
        let names: Vec<_> = shape.columns[..shape.keys].iter().map(|column| column.name).collect();
        walk_in(pass, self.flavour, &names, self.keys.len(), |row, column, pass| {
            M::bind_key(&self.keys[row], column, pass)
        })
    }
}

fn walk_delete_from<M: Persist<DB>, DB: Backend>(pass: &mut AstPass<'_, '_, DB>, rows: usize) -> QueryResult<()> {
    if rows > 1 {
        pass.unsafe_to_cache_prepared();
    }
    pass.push_sql("DELETE FROM ");
    M::walk_table(pass.reborrow())?;
    pass.push_sql(" WHERE ");
    Ok(())
}
