// A model has a key; where it is not the field `id`, `#[model(key)]` marks it.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(key)]
    #[diesel(column_name = id)]
    number: i32,
    text: String,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut session)?;
    let note = session.add(Note {
        number: 0,
        text: "hello".to_owned(),
    });
    session.flush()?;
    assert_eq!((session[note].number, session[note].text.as_str()), (1, "hello"));
    session.rollback()
}
