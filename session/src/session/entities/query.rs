//! Which queries find objects.

use aludel_core::Dialect;
use diesel::dsl::AsSelect;
use diesel::query_builder::QueryId;
use diesel::query_dsl::methods::{LoadQuery, SelectDsl};
use diesel::result::QueryResult;
use diesel::{RunQueryDsl as _, Selectable, SelectableHelper as _};

use crate::connection::Connection;
use crate::model::Persist;

/// A query of Diesel's whose rows are those of a model: one on its table, with whatever filter, order, limit or join, and without
/// a `select`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use aludel::ObjectQuery;
/// use diesel::prelude::*;
/// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
/// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// # #[diesel(table_name = notes)]
/// # struct Note { id: i32, text: String }
///
/// fn is_one<'q, Q: ObjectQuery<'q, SqliteConnection, Note>>(_: &Q) {}
/// is_one(&notes::table.filter(notes::text.ne("")).limit(10));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "this query does not find objects of `{M}`",
    label = "its rows are not those of `{M}`",
    note = "write a query of Diesel's on the table of `{M}`, without a `.select(..)`: session.query::<{M}, _>(table.filter(..))"
)]
pub trait ObjectQuery<'q, C: Dialect, M> {
    /// Its rows.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    #[doc(hidden)]
    fn rows(self, connection: &mut Connection<C>) -> QueryResult<Vec<M>>;
}

impl<'q, C, M, Q> ObjectQuery<'q, C, M> for Q
where
    C: Dialect,
    M: Persist<C::Backend> + Selectable<C::Backend>,
    M::SelectExpression: QueryId,
    Q: SelectDsl<AsSelect<M, C::Backend>>,
    Q::Output: LoadQuery<'q, Connection<C>, M>,
{
    fn rows(self, connection: &mut Connection<C>) -> QueryResult<Vec<M>> {
        self.select(M::as_select()).load(connection)
    }
}
