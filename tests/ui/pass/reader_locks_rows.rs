// A transaction holds a lock until its end; a reader reads without one.

use aludel::prelude::*;
use diesel::dsl::ForUpdate;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

#[allow(dead_code)] // SQLite has no such locks
fn lock<C: Dialect>(session: &mut Session<C>) -> QueryResult<Vec<(i32, String, i64)>>
where
    for<'query> ForUpdate<accounts::table>: LoadQuery<'query, Session<C>, (i32, String, i64)>,
{
    accounts::table.for_update().load(session)
}

fn main() -> aludel::Result<()> {
    let all: Vec<(i32, String, i64)> = bank()?.reconnecting().load(accounts::table)?;
    assert_eq!(all.len(), 3);
    Ok(())
}

fn bank() -> aludel::Result<Engine<SqliteConnection>> {
    let engine = Engine::new("sqlite://:memory:")?;
    engine.begin(|session| {
        diesel::sql_query(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL)",
        )
        .execute(session)?;
        diesel::sql_query("INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 0), (3, 'Bob', 7)")
            .execute(session)?;
        Ok(())
    })?;
    Ok(engine)
}
