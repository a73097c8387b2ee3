// A key that the client makes where the object is written.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

fn next() -> i32 {
    7
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(default = next)]
    id: i32,
    text: String,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
    });
    session.flush()?;
    assert_eq!((session[note].id, session[note].text.as_str()), (7, "hello"));
    session.rollback()
}
