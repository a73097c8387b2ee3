//! What generated code calls. Not for people; it changes without notice.

use aludel_core::{Dialect, Error};

use crate::retry::IntoRetryPolicy;
use crate::session::Session;
use crate::transaction::stage::Asked;

mod model;

pub use {aludel_core, diesel};

/// The runner of `#[retry]`.
///
/// # Errors
///
/// The body's last one, or ours, converted.
#[track_caller]
pub fn retry<C, T, E>(
    session: &mut Session<C>,
    policy: &impl IntoRetryPolicy,
    function: &'static str,
    body: impl FnMut(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Dialect,
    E: From<Error> + 'static,
{
    crate::retry::retry(session, policy, Asked::default(), function, body)
}

/// The key that MariaDB and MySQL have made for the row that was inserted last on this connection.
///
/// # Errors
///
/// Whatever the server answers; or that the key does not fit the field's type.
#[cfg(feature = "mysql")]
pub fn last_insert_id<C, K>(connection: &mut crate::Connection<C>) -> diesel::QueryResult<K>
where
    C: Dialect<Backend = diesel::mysql::Mysql>,
    K: TryFrom<u64>,
    K::Error: std::error::Error + Send + Sync + 'static,
{
    use diesel::RunQueryDsl as _;
    use diesel::dsl::sql;
    use diesel::sql_types::{BigInt, Unsigned};

    let id: u64 = diesel::select(sql::<Unsigned<BigInt>>("LAST_INSERT_ID()")).get_result(connection)?;
    K::try_from(id).map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
}
