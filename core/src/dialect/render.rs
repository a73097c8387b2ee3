//! A query's text, without a connection.

use diesel::backend::Backend;
use diesel::query_builder::{QueryBuilder as _, QueryFragment};
use diesel::result::QueryResult;

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
