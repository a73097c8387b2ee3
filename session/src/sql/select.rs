//! Rows by their keys, and by those of their parents: everything after the list of columns.

use std::marker::PhantomData;

use aludel_core::Flavour;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;

use super::keys::walk_in;
use crate::model::{ForeignKey, Model, Persist};

/// ` FROM table WHERE key IN (..)`.
#[derive(Debug)]
pub(crate) struct ByKeys<'a, M: Model> {
    pub(crate) flavour: Flavour,
    pub(crate) keys: &'a [M::Key],
    /// Rows that are marked as deleted count as gone.
    pub(crate) alive: bool,
    /// `FOR UPDATE`, where there is such a thing.
    pub(crate) lock: bool,
    pub(crate) model: PhantomData<fn() -> M>,
}

impl<M: Model> QueryId for ByKeys<'_, M> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for ByKeys<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let shape = M::shape();
        let names: Vec<_> = shape.columns[..shape.keys].iter().map(|column| column.name).collect();
        cache_only(&mut pass, self.keys.len());
        pass.push_sql(" FROM ");
        M::walk_table(pass.reborrow())?;
        pass.push_sql(" WHERE ");
        walk_in(
            pass.reborrow(),
            self.flavour,
            &names,
            self.keys.len(),
            |row, column, pass| M::bind_key(&self.keys[row], column, pass),
        )?;
        if self.alive {
            walk_alive::<M, DB>(&mut pass)?;
        }
        if self.lock && self.flavour != Flavour::Sqlite {
            pass.push_sql(" FOR UPDATE");
        }
        Ok(())
    }
}

/// ` FROM table WHERE foreign key IN (..) ORDER BY key`.
#[derive(Debug)]
pub(crate) struct ByParents<'a, M, P: Model> {
    pub(crate) flavour: Flavour,
    pub(crate) reference: ForeignKey<M, P>,
    pub(crate) keys: &'a [P::Key],
    /// Those that are marked as deleted as well.
    pub(crate) with_marked: bool,
}

impl<M, P: Model> QueryId for ByParents<'_, M, P> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<M, P, DB> QueryFragment<DB> for ByParents<'_, M, P>
where
    M: Persist<DB>,
    P: Persist<DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let shape = M::shape();
        let names: Vec<_> = self
            .reference
            .columns()
            .iter()
            .map(|&column| shape.columns[column].name)
            .collect();
        cache_only(&mut pass, self.keys.len());
        pass.push_sql(" FROM ");
        M::walk_table(pass.reborrow())?;
        pass.push_sql(" WHERE ");
        walk_in(
            pass.reborrow(),
            self.flavour,
            &names,
            self.keys.len(),
            |row, column, pass| P::bind_key(&self.keys[row], column, pass),
        )?;
        if !self.with_marked {
            walk_alive::<M, DB>(&mut pass)?;
        }
        pass.push_sql(" ORDER BY ");
        for (at, column) in shape.columns[..shape.keys].iter().enumerate() {
            super::keys::comma(&mut pass, at);
            pass.push_identifier(column.name)?;
        }
        Ok(())
    }
}

/// What is not marked as deleted; a mark is a time that is not NULL, or a boolean that is true.
fn walk_alive<M: Persist<DB>, DB: Backend>(pass: &mut AstPass<'_, '_, DB>) -> QueryResult<()> {
    let shape = M::shape();
    if let Some(column) = shape.soft_delete {
        pass.push_sql(" AND ");
        pass.push_identifier(shape.columns[column].name)?;
        pass.push_sql(if M::SOFT_DELETE_IS_TIME { " IS NULL" } else { " = FALSE" });
    }
    Ok(())
}

/// A statement for one key is used again; one for so many will hardly be.
fn cache_only<DB: Backend>(pass: &mut AstPass<'_, '_, DB>, keys: usize) {
    if keys > 1 {
        pass.unsafe_to_cache_prepared();
    }
}
