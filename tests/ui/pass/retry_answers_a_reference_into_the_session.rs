// What a function that runs again answers does not borrow from the session; a clone does not, and neither does a handle.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

#[retry]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<(Entity<Note>, String)> {
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
    });
    Ok((note, session.read(note)?.text.clone()))
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    let mut session = engine.session();
    let (note, text) = work(&mut session)?;
    assert_eq!(session[note].text, text);
    Ok(())
}
