// A key is made by the database or by the client, never by both.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(assigned)]
    id: i32,
    text: String,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut session)?;
    let note = session.add(Note {
        id: 7,
        text: "hello".to_owned(),
    });
    session.flush()?;
    assert_eq!((session[note].id, session[note].text.as_str()), (7, "hello"));
    session.rollback()
}
