//! How long a statement may take on PostgreSQL: `statement_timeout`, in milliseconds
//! (<https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-STATEMENT-TIMEOUT>).

use std::time::Duration;

use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;

pub(super) fn asked(connection: &mut PgConnection) -> QueryResult<Option<Duration>> {
    let setting = "setting::bigint FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'";
    let limit: i64 = diesel::select(sql::<BigInt>(setting)).get_result(connection)?;
    Ok(u64::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .map(Duration::from_millis))
}

/// With BEGIN in one text, and so in one round trip. SET takes no snapshot, as a SELECT would: the transaction's first
/// statement still is the user's.
pub(super) fn begin(begin: &str, limit: Duration) -> String {
    // 0 would be for ever, and more than this is refused.
    let milliseconds = limit.as_millis().clamp(1, 0x7fff_ffff);
    format!("{begin}; SET LOCAL statement_timeout = {milliseconds}")
}
