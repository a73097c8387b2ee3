// A session updates: in a transaction, which runs again as a whole or not at all.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

#[retry]
fn pay(session: &mut Session<SqliteConnection>) -> aludel::Result<usize> {
    Ok(diesel::update(accounts::table)
        .set(accounts::balance.eq(accounts::balance + 1))
        .execute(session)?)
}

fn main() -> aludel::Result<()> {
    let engine = bank()?;
    assert_eq!(pay(&mut engine.session())?, 3);
    let balances: Vec<i64> = engine.reconnecting().load(accounts::table.select(accounts::balance))?;
    assert_eq!(balances, [501, 1, 8]);
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
