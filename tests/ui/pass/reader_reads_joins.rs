// A reader takes joins.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

diesel::table! { notes (account_id) { account_id -> Integer, text -> Text, } }
diesel::allow_tables_to_appear_in_same_query!(accounts, notes);

fn main() -> aludel::Result<()> {
    let engine = bank()?;
    engine.begin(|session| {
        diesel::sql_query("CREATE TABLE notes (account_id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
            .execute(session)?;
        diesel::sql_query("INSERT INTO notes VALUES (1, 'rich')").execute(session)?;
        Ok(())
    })?;
    let reader = engine.reconnecting();
    let inner = accounts::table.inner_join(notes::table.on(notes::account_id.eq(accounts::id)));
    let rich: (String, String) = reader.get_result(inner.select((accounts::owner, notes::text)))?;
    assert_eq!(rich, ("Ann".to_owned(), "rich".to_owned()));
    let left = accounts::table.left_join(notes::table.on(notes::account_id.eq(accounts::id)));
    let texts: Vec<Option<String>> = reader.load(left.select(notes::text.nullable()).order(accounts::id))?;
    assert_eq!(texts, [Some("rich".to_owned()), None, None]);
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
