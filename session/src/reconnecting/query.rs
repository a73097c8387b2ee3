//! Running a query by reference, so that it can be run again.

use aludel_core::Dialect;
use diesel::connection::{DefaultLoadingMode, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::result::{Error as DieselError, QueryResult};

#[cfg(doc)]
use super::ReadOnlyQuery;
use crate::connection::Connection;

/// A query whose rows are a `U`, and which can be run again: what Diesel's `LoadQuery` is for connections.
///
/// It is implemented for whatever Diesel could load; what a reader takes must also only read ([`ReadOnlyQuery`]). Name both in
/// code that is generic over the query.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use aludel::{ReadOnlyQuery, ReadQuery, Reconnecting};
/// use diesel::prelude::*;
///
/// fn highest<Q>(reader: &Reconnecting<SqliteConnection>, query: Q) -> aludel::Result<i64>
/// where
///     Q: ReadQuery<SqliteConnection, i64>,
///     Q::Query: ReadOnlyQuery,
/// {
///     Ok(reader.load(query)?.into_iter().max().unwrap_or(0))
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let seven = diesel::select(7_i64.into_sql::<diesel::sql_types::BigInt>());
/// assert_eq!(highest(&engine.reconnecting(), seven)?, 7);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub trait ReadQuery<C: Dialect, U, B = DefaultLoadingMode>: AsQuery {
    /// Runs it and lends its rows.
    #[doc(hidden)]
    fn read<T>(
        query: &Self::Query,
        connection: &mut Connection<C>,
        look: impl FnOnce(&mut dyn Iterator<Item = QueryResult<U>>) -> T,
    ) -> QueryResult<T>;
}

impl<C, U, B, Q> ReadQuery<C, U, B> for Q
where
    C: Dialect + LoadConnection<B>,
    C::Backend: QueryMetadata<Q::SqlType>,
    Q: AsQuery,
    Q::Query: QueryFragment<C::Backend> + QueryId,
    Q::SqlType: CompatibleType<U, C::Backend>,
    U: FromSqlRow<<Q::SqlType as CompatibleType<U, C::Backend>>::SqlType, C::Backend> + 'static,
{
    fn read<T>(
        query: &Self::Query,
        connection: &mut Connection<C>,
        look: impl FnOnce(&mut dyn Iterator<Item = QueryResult<U>>) -> T,
    ) -> QueryResult<T> {
        // As Diesel's own `load` does: evaluating it is what finds window functions in a WHERE clause.
        const {
            let _ = Q::Query::IS_WINDOW_FUNCTION;
        }
        let rows = LoadConnection::<B>::load(connection, query)?;
        let mut values = rows.map(|row| U::build_from_row(&row?).map_err(DieselError::DeserializationError));
        Ok(look(&mut values))
    }
}
