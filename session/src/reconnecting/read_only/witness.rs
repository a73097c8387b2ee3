//! How the two sides of a union are asked whether they only read.
//!
//! Diesel keeps the type of a union to itself, so no implementation can name it. But it can be built for a backend of ours,
//! and Diesel says when: when each side can stand in parentheses there, which is for us to say. Nothing is ever built.

use diesel::backend::{Backend, DieselReserveSpecialization, SqlDialect, TrustedBackend};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{
    AstPass, LimitOffsetClause, ParenthesisWrapper, QueryBuilder, QueryFragment, SupportsCombinationClause,
};
use diesel::result::QueryResult;
use diesel::sql_types::{self, HasSqlType, TypeMetadata};

use super::sealed::OnlyReads;

/// The backend for which there are only unions of what only reads.
#[derive(Debug)]
pub struct Witness;

impl<Q: OnlyReads> QueryFragment<Witness> for ParenthesisWrapper<Q> {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Witness>) -> QueryResult<()> {
        Ok(())
    }
}

impl<L, O> QueryFragment<Witness> for LimitOffsetClause<L, O> {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Witness>) -> QueryResult<()> {
        Ok(())
    }
}

impl<Combinator, Rule> SupportsCombinationClause<Combinator, Rule> for Witness {}

/// What it has not: the words of any statement. A SELECT above all, or else one that locks rows could be built as well.
#[derive(Debug)]
pub struct Nothing;

impl SqlDialect for Witness {
    type ReturningClause = Nothing;
    type OnConflictClause = Nothing;
    type InsertWithDefaultKeyword = Nothing;
    type BatchInsertSupport = Nothing;
    type ConcatClause = Nothing;
    type DefaultValueClauseForInsert = Nothing;
    type EmptyFromClauseSyntax = Nothing;
    type ExistsSyntax = Nothing;
    type ArrayComparison = Nothing;
    type SelectStatementSyntax = Nothing;
    type AliasSyntax = Nothing;
    type WindowFrameClauseGroupSupport = Nothing;
    type WindowFrameExclusionSupport = Nothing;
    type AggregateFunctionExpressions = Nothing;
    type BuiltInWindowFunctionRequireOrder = Nothing;
}

impl TrustedBackend for Witness {}

impl DieselReserveSpecialization for Witness {}

impl Backend for Witness {
    type QueryBuilder = Nothing;
    type RawValue<'a> = ();
    type BindCollector<'a> = RawBytesBindCollector<Self>;
}

impl QueryBuilder<Witness> for Nothing {
    fn push_sql(&mut self, _: &str) {}

    fn push_identifier(&mut self, _: &str) -> QueryResult<()> {
        Ok(())
    }

    fn push_bind_param(&mut self) {}

    fn finish(self) -> String {
        String::new()
    }
}

impl TypeMetadata for Witness {
    type TypeMetadata = ();
    type MetadataLookup = ();
}

/// The types that every backend has.
macro_rules! has {
    ($($sql_type:ident)*) => {$(
        impl HasSqlType<sql_types::$sql_type> for Witness {
            fn metadata(_: &mut ()) {}
        }
    )*};
}

has! { SmallInt Integer BigInt Float Double Text Binary Date Time Timestamp }
