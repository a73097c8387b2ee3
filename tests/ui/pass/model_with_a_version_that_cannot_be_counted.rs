// What is no number is made by a function.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, etag -> Text, } }

fn next(before: Option<&String>) -> String {
    before.map_or_else(|| "a".to_owned(), |before| format!("{before}a"))
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[model(version = next)]
    etag: String,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, etag TEXT)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        etag: String::new(),
    });
    session.flush()?;
    assert_eq!((session[note].id, session[note].etag.as_str()), (1, "a"));
    session.rollback()
}
