// A reader takes counts, and a SELECT without a table.

use aludel::prelude::*;
use diesel::dsl::exists;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn main() -> aludel::Result<()> {
    let reader = bank()?.reconnecting();
    assert_eq!(reader.get_result::<i64, _>(accounts::table.count())?, 3);
    let rich = exists(accounts::table.filter(accounts::balance.gt(100)));
    assert!(reader.get_result::<bool, _>(diesel::select(rich))?);
    assert_eq!(
        reader.first::<i64, _>(accounts::table.filter(accounts::id.eq(9)).count())?,
        0
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
