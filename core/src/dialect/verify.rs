//! What verified transactions need of a database, as far as it is the same for all; the statements are in each dialect's
//! folder.

use diesel::result::Error as DieselError;

/// The answer of a connection that keeps no tokens.
pub(super) fn keeps_no_tokens() -> DieselError {
    DieselError::QueryBuilderError(
        "this kind of connection keeps no commit tokens, so its transactions cannot be verified".into(),
    )
}

/// The identity of a table as it stands in its row.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub(super) fn identity(text: &str) -> diesel::QueryResult<u64> {
    u64::from_str_radix(text, 16)
        .map_err(|_| DieselError::DeserializationError("the identity of aludel_commits is no number".into()))
}

/// A row of one number, named `value`.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
#[derive(diesel::QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub(super) value: i64,
}

/// A row of one text, named `value`.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
#[derive(diesel::QueryableByName)]
pub(super) struct Word {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(super) value: String,
}
