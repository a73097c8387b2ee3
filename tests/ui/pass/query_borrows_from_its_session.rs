// A query does not borrow from the session that it runs on; it clones what it needs.

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
        .filter(notes::text.eq(session[note].text.clone()))
        .select(notes::id);
    Ok(alike.load(session)?)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
    });
    assert_eq!(alike(&mut session, note)?, [1]);
    session.commit()
}
