// A session inserts: in a transaction, which runs again as a whole or not at all.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn open(session: &mut Session<SqliteConnection>) -> QueryResult<i32> {
    diesel::insert_into(accounts::table)
        .values((accounts::owner.eq("Cid"), accounts::balance.eq(0)))
        .returning(accounts::id)
        .get_result(session)
}

fn main() -> aludel::Result<()> {
    let engine = bank()?;
    let id = engine.begin(|session| Ok(open(session)?))?;
    assert_eq!(
        engine.reconnecting().get_result::<i64, _>(accounts::table.count())?,
        i64::from(id)
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
