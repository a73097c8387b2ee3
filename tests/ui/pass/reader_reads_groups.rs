// A reader takes queries with groups.

use aludel::prelude::*;
use diesel::dsl::{count, max};
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn main() -> aludel::Result<()> {
    let sums = accounts::table
        .group_by(accounts::owner)
        .having(count(accounts::id).gt(1))
        .select((accounts::owner, max(accounts::balance)));
    let richest: Vec<(String, Option<i64>)> = bank()?.reconnecting().load(sums)?;
    assert_eq!(richest, [("Bob".to_owned(), Some(7))]);
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
