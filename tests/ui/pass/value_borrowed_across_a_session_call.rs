// What was borrowed from the session is not used after the next call on it; the handle is `Copy`, and borrows it anew.

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
    session[note].text.push('!');
    session.flush()?;
    session[note].text.clear();
    Ok(())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
    });
    rewrite(&mut session, note)?;
    session.commit()
}
