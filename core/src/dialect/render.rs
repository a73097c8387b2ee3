//! A query's text, without a connection.

use diesel::backend::Backend;
use diesel::internal::derives::multiconnection::AstPassHelper as _;
use diesel::query_builder::{AstPass, QueryBuilder as _, QueryFragment};
use diesel::result::QueryResult;

use crate::log::show_list;

/// Renders a query with the backend's own builder: placeholders, no values.
pub(crate) fn render<DB, T>(query: &T, backend: &DB) -> QueryResult<String>
where
    DB: Backend,
    DB::QueryBuilder: Default,
    T: QueryFragment<DB>,
{
    let mut builder = DB::QueryBuilder::default();
    query.to_sql(&mut builder, backend)?;
    Ok(builder.finish())
}

/// Renders a query as `debug_query` of Diesel's does, with its values behind it, but shortened to what a log can bear.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    expect(dead_code, reason = "only dialects have values")
)]
pub(super) fn render_with_values<DB, T>(query: &T, backend: &DB) -> String
where
    DB: Backend,
    DB::QueryBuilder: Default,
    T: QueryFragment<DB>,
{
    let mut values = Vec::new();
    match (
        render(query, backend),
        query.walk_ast(AstPass::collect_debug_binds_pass(&mut values, backend)),
    ) {
        (Ok(sql), Ok(())) => format!("{sql} -- binds: {}", show_list(&values)),
        (Ok(sql), Err(_)) => sql,
        (Err(error), _) => format!("(a query that cannot be rendered: {error})"),
    }
}
