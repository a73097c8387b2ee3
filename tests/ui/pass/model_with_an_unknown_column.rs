// A field of a model is a column of its table, by its own name or the one that `column_name` gives.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[diesel(column_name = text)]
    body: String,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        body: "hello".to_owned(),
    });
    session.flush()?;
    assert_eq!((session[note].id, session[note].body.as_str()), (1, "hello"));
    session.rollback()
}
