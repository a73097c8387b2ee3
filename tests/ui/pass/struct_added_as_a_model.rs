// What a session holds are models; `#[derive(Model)]` makes a struct one.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn work(session: &mut Session<SqliteConnection>, note: Note) -> Entity<Note> {
    session.add(note)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut session)?;
    let note = work(
        &mut session,
        Note {
            id: 0,
            text: "hello".to_owned(),
        },
    );
    session.flush()?;
    assert_eq!((session[note].id, session[note].text.as_str()), (1, "hello"));
    session.rollback()
}
