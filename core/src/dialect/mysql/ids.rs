//! The keys that a statement was given.
//!
//! A statement that names the values of all of its rows is given numbers without gaps, whatever `innodb_autoinc_lock_mode` is
//! ("simple inserts"), and `LAST_INSERT_ID()` is the first of them.

use diesel::RunQueryDsl;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;

diesel::define_sql_function! { fn last_insert_id() -> BigInt; }

mod told {
    use diesel::sql_types::BigInt;

    diesel::define_sql_function! { fn last_insert_id(told: BigInt) -> BigInt; }
}

/// That of the last row that was given one; from then on none.
pub(super) fn take_last(raw: &mut MysqlConnection) -> QueryResult<i64> {
    let (last, _) = diesel::select((last_insert_id(), told::last_insert_id(0_i64))).get_result::<(i64, i64)>(raw)?;
    Ok(last)
}

/// None, until another statement is given some.
pub(super) fn forget(raw: &mut MysqlConnection) -> QueryResult<()> {
    diesel::select(told::last_insert_id(0_i64))
        .get_result::<i64>(raw)
        .map(drop)
}

/// The first key and the distance to the next one, if so many rows are there.
pub(super) fn inserted(
    raw: &mut MysqlConnection,
    table: &str,
    key: &str,
    rows: usize,
) -> QueryResult<Option<(i64, i64)>> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let inserted = Inserted {
        table,
        key,
        last: rows - 1,
    };
    let (first, step, count): (i64, i64, i64) = inserted.get_result(raw)?;
    Ok((first > 0 && count == rows).then_some((first, step)))
}

/// How many rows are where the keys must be. Prepared once for each table.
struct Inserted<'a> {
    table: &'a str,
    key: &'a str,
    last: i64,
}

impl Query for Inserted<'_> {
    type SqlType = (BigInt, BigInt, BigInt);
}

impl QueryId for Inserted<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<MysqlConnection> for Inserted<'_> {}

impl QueryFragment<Mysql> for Inserted<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        pass.push_sql("SELECT LAST_INSERT_ID(), @@auto_increment_increment, COUNT(*) FROM ");
        pass.push_sql(self.table);
        pass.push_sql(" WHERE ");
        pass.push_identifier(self.key)?;
        pass.push_sql(" BETWEEN LAST_INSERT_ID() AND LAST_INSERT_ID() + ");
        pass.push_bind_param::<BigInt, i64>(&self.last)?;
        pass.push_sql(" * @@auto_increment_increment");
        Ok(())
    }
}
