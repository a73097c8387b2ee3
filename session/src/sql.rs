//! Query fragments of our own, generic over the model: what Diesel's DSL can only say with types that are known when a
//! query is written.

mod delete;
mod insert;
mod keys;
mod select;
mod table;
mod update;

pub(crate) use delete::{Delete, DeleteKeys};
pub(crate) use insert::Insert;
pub(crate) use select::{ByKeys, ByParents};
pub(crate) use table::Table;
pub(crate) use update::{Pair, Update};

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::expression::Expression;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::result::QueryResult;

/// `SELECT`, a list of columns as Diesel knows them, and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Select<S, F> {
    columns: S,
    rest: F,
}

impl<S, F> Select<S, F> {
    /// What `#[derive(Model)]` writes.
    pub fn new(columns: S, rest: F) -> Self {
        Self { columns, rest }
    }
}

impl<S: Expression, F> Query for Select<S, F> {
    type SqlType = S::SqlType;
}

impl<S, F> QueryId for Select<S, F> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S, F, DB> QueryFragment<DB> for Select<S, F>
where
    DB: Backend,
    S: QueryFragment<DB>,
    F: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT ");
        self.columns.walk_ast(pass.reborrow())?;
        self.rest.walk_ast(pass)
    }
}

impl<S, F, Conn> RunQueryDsl<Conn> for Select<S, F> {}

/// A statement of ours that answers rows of the type `T`.
#[derive(Clone, Copy, Debug)]
pub struct Answering<F, T> {
    statement: F,
    answer: PhantomData<fn() -> T>,
}

impl<F, T> Answering<F, T> {
    /// What `#[derive(Model)]` writes.
    pub fn new(statement: F) -> Self {
        Self {
            statement,
            answer: PhantomData,
        }
    }
}

impl<F, T> Query for Answering<F, T> {
    type SqlType = T;
}

impl<F, T> QueryId for Answering<F, T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<F: QueryFragment<DB>, T, DB: Backend> QueryFragment<DB> for Answering<F, T> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(pass)
    }
}

impl<F, T, Conn> RunQueryDsl<Conn> for Answering<F, T> {}
