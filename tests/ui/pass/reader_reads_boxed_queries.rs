// A reader takes boxed queries, and what they borrow.

use aludel::Reconnecting;
use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn richer_than(reader: &Reconnecting<SqliteConnection>, owner: Option<&str>, balance: i64) -> aludel::Result<Vec<i32>> {
    let mut query = accounts::table
        .select(accounts::id)
        .filter(accounts::balance.gt(balance))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(accounts::owner.eq(owner));
    }
    reader.load(query)
}

fn main() -> aludel::Result<()> {
    let reader = bank()?.reconnecting();
    assert_eq!(richer_than(&reader, None, 5)?, [1, 3]);
    assert_eq!(richer_than(&reader, Some("Bob"), 5)?, [3]);
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
