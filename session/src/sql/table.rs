//! The name of a model's table, for those who need its text.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;

use crate::model::Persist;

/// The name of the table, quoted.
pub(crate) struct Table<M>(PhantomData<fn() -> M>);

impl<M> Table<M> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M: Persist<DB>, DB: Backend> QueryFragment<DB> for Table<M> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        M::walk_table(pass)
    }
}
