// What was borrowed from the session is not used after the next call on it.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn rewrite(session: &mut Session<SqliteConnection>, note: Entity<Note>) -> aludel::Result<()> {
    let value = &mut session[note];
    session.flush()?;
    value.text.clear();
    Ok(())
}

fn main() {}
