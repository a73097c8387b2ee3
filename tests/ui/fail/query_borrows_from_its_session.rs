// A query does not borrow from the session that it runs on.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn alike(session: &mut Session<SqliteConnection>, note: Entity<Note>) -> aludel::Result<Vec<i32>> {
    let alike = notes::table
        .filter(notes::text.eq(&session[note].text))
        .select(notes::id);
    Ok(alike.load(session)?)
}

fn main() {}
