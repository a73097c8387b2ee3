// What a session holds are models.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn work(session: &mut Session<SqliteConnection>, note: Note) -> Entity<Note> {
    session.add(note)
}

fn main() {}
