// A function that takes a connection takes a session; one that is to read through a reader takes that.

use aludel::Reconnecting;
use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn all(session: &mut Session<SqliteConnection>) -> QueryResult<Vec<(i32, String, i64)>> {
    accounts::table.load(session)
}

fn all_again(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<Vec<(i32, String, i64)>> {
    reader.load(accounts::table)
}

fn main() -> aludel::Result<()> {
    let engine = bank()?;
    let read = engine.begin(|session| Ok(all(session)?))?;
    assert_eq!(all_again(&engine.reconnecting())?, read);
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
