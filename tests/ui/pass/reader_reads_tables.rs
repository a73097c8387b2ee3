// A reader takes tables, and whatever they are narrowed down to.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn main() -> aludel::Result<()> {
    let reader = bank()?.reconnecting();
    let all: Vec<(i32, String, i64)> = reader.load(accounts::table)?;
    assert_eq!(all.len(), 3);
    let bobs = accounts::table
        .filter(accounts::owner.eq("Bob"))
        .order(accounts::balance.desc());
    assert_eq!(reader.first::<(i32, String, i64), _>(bobs)?.2, 7);
    assert_eq!(
        reader
            .load::<String, _>(accounts::table.select(accounts::owner).distinct())?
            .len(),
        2
    );
    assert_eq!(
        reader.get_result::<i64, _>(accounts::table.find(1).select(accounts::balance))?,
        500
    );
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
