// What the database computes is a column of its own, which is read and never written.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, length -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
    #[model(read_only)]
    length: i32,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, length INTEGER AS (length(text)))")
        .execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
        length: 0,
    });
    session.flush()?;
    assert_eq!(
        (session[note].id, session[note].text.as_str(), session[note].length),
        (1, "hello", 5)
    );
    session.rollback()
}
