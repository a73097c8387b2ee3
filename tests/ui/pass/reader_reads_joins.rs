// A reader takes joins.

use aludel::prelude::*;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, } }
diesel::table! { notes (account_id) { account_id -> Integer, text -> Text, } }
diesel::allow_tables_to_appear_in_same_query!(accounts, notes);

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_joins");
    bank.engine.begin(|session| {
        diesel::sql_query("CREATE TABLE notes (account_id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
            .execute(session)?;
        diesel::sql_query("INSERT INTO notes VALUES (1, 'rich')").execute(session)?;
        Ok(())
    })?;
    let reader = bank.engine.reconnecting();
    let inner = accounts::table.inner_join(notes::table.on(notes::account_id.eq(accounts::id)));
    let rich: (String, String) = reader.get_result(inner.select((accounts::owner, notes::text)))?;
    assert_eq!(rich, ("Ann".to_owned(), "rich".to_owned()));
    let left = accounts::table.left_join(notes::table.on(notes::account_id.eq(accounts::id)));
    let texts: Vec<Option<String>> = reader.load(left.select(notes::text.nullable()).order(accounts::id))?;
    assert_eq!(texts, [Some("rich".to_owned()), None]);
    Ok(())
}
