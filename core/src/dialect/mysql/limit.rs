//! How long a statement may take on MariaDB and MySQL.
//!
//! MariaDB's `max_statement_time` (seconds) bounds whatever a client sends
//! (<https://mariadb.com/kb/en/aborting-statements/>); MySQL's `max_execution_time` (milliseconds) bounds SELECTs that only
//! read (<https://dev.mysql.com/doc/refman/8.0/en/server-system-variables.html#sysvar_max_execution_time>), and nothing
//! bounds the others there. Each server skips the other one's comment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::mysql::{Mysql, MysqlConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::BigInt;

/// Set once a server has said that it has neither variable: whatever stands in for one of the two may be older, or less.
static UNKNOWN_HERE: AtomicBool = AtomicBool::new(false);

/// Milliseconds, 0 for no limit.
const LIMIT: &str =
    "/*M! CAST(@@SESSION.max_statement_time * 1000 AS SIGNED) */ /*!50708 @@SESSION.max_execution_time */";

pub(super) fn asked(connection: &mut MysqlConnection) -> QueryResult<Option<Duration>> {
    let limit = diesel::select(diesel::dsl::sql::<BigInt>(LIMIT)).get_result::<i64>(connection);
    let limit = match limit {
        Err(error) if is_unknown(&error) => 0,
        limit => limit?,
    };
    Ok(u64::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .map(Duration::from_millis))
}

/// What it was before is kept in a user variable, which costs no question; a smaller limit stays.
struct Bound {
    milliseconds: i64,
}

impl QueryId for Bound {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Mysql> for Bound {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql(
            "SET /*M! @aludel_limit = @@SESSION.max_statement_time, SESSION max_statement_time = 0.001 * */ \
             /*!50708 @aludel_limit = @@SESSION.max_execution_time, SESSION max_execution_time = */ \
             CAST(LEAST(COALESCE(NULLIF(/*M! @@SESSION.max_statement_time * 1000 */ \
             /*!50708 @@SESSION.max_execution_time */, 0), 4294967295), ",
        );
        out.push_bind_param::<BigInt, _>(&self.milliseconds)?;
        // MySQL takes nothing but an integer.
        out.push_sql(") AS UNSIGNED)");
        Ok(())
    }
}

struct PutBack;

impl QueryId for PutBack {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Mysql> for PutBack {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql("SET SESSION /*M! max_statement_time */ /*!50708 max_execution_time */ = @aludel_limit");
        Ok(())
    }
}

/// Whether there is something to be put back.
pub(super) fn bound(connection: &mut MysqlConnection, limit: Duration) -> QueryResult<bool> {
    if UNKNOWN_HERE.load(Ordering::Relaxed) {
        return Ok(false);
    }
    // MySQL takes 32 bits, and 0 for no limit.
    let milliseconds = limit.as_millis().clamp(1, u128::from(u32::MAX));
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    match connection.execute_returning_count(&Bound { milliseconds }) {
        Ok(_) => Ok(true),
        Err(error) if is_unknown(&error) => {
            UNKNOWN_HERE.store(true, Ordering::Relaxed);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn put_back(connection: &mut MysqlConnection) -> QueryResult<()> {
    connection.execute_returning_count(&PutBack).map(drop)
}

/// One of the texts that answer a question of ours: the server has no such variable, or none in these comments.
fn is_unknown(error: &DieselError) -> bool {
    let DieselError::DatabaseError(_, information) = error else {
        return false;
    };
    ["Unknown system variable", "You have an error in your SQL syntax"]
        .iter()
        .any(|start| information.message().starts_with(start))
}
