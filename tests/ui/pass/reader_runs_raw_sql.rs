// Raw SQL runs on a session; a piece of it may stand inside a query, and the server refuses it where it writes.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

fn main() -> aludel::Result<()> {
    let engine = bank()?;
    let ids: Vec<Id> = engine.begin(|session| Ok(diesel::sql_query("SELECT id FROM accounts").load(session)?))?;
    assert_eq!(ids.iter().map(|row| row.id).sum::<i32>(), 6);
    let three = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1 + 2"));
    assert_eq!(engine.reconnecting().get_result::<i32, _>(three)?, 3);
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
