//! What results under a key need of a database, as far as it is the same for all; the statements are in each dialect's
//! folder.

use diesel::result::Error as DieselError;

/// The answer of a connection that keeps no results.
pub(super) fn keeps_no_results() -> DieselError {
    DieselError::QueryBuilderError(
        "this kind of connection keeps no results, so nothing can be done once for a key on it".into(),
    )
}

/// The row of a key.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
#[derive(diesel::QueryableByName)]
pub(super) struct KeptRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    scope: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    result: Option<String>,
}

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
impl From<KeptRow> for crate::once::Kept {
    fn from(KeptRow { scope, result }: KeptRow) -> Self {
        Self { scope, result }
    }
}
