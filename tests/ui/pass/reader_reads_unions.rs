// A reader takes unions, and what comes after them.

use aludel::prelude::*;
use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::{OrderColumn, PositionalOrderDsl};

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

fn main() -> aludel::Result<()> {
    let reader = bank()?.reconnecting();
    let rich = accounts::table.filter(accounts::balance.gt(100)).select(accounts::id);
    let bobs = accounts::table.filter(accounts::owner.eq("Bob")).select(accounts::id);
    let either = rich.union(bobs.into_boxed());
    assert_eq!(
        reader.load::<i32, _>(either.positional_order_by(OrderColumn(1).desc()))?,
        [3, 2, 1]
    );
    assert!(reader.load::<i32, _>(rich.intersect(bobs))?.is_empty());
    assert_eq!(reader.load::<i32, _>(bobs.except(rich).limit(1).offset(1))?, [3]);
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
