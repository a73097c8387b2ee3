// What a transaction answers does not borrow from the session.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

#[transactional]
fn work(session: &mut Session<SqliteConnection>, note: Entity<Note>) -> aludel::Result<&str> {
    Ok(&session.read(note)?.text)
}

fn main() {}
