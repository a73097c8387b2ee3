// A union of what only reads only reads, however deep.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn main() -> aludel::Result<()> {
    let poor = accounts::table.filter(accounts::balance.lt(10)).select(accounts::id);
    let ann = accounts::table.filter(accounts::owner.eq("Ann")).select(accounts::id);
    let all = ann.union(poor).union_all(ann);
    let ids: Vec<i32> = bank()?.reconnecting().load(all)?;
    assert_eq!(ids.len(), 4);
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
