// A model has one version at most; it counts the updates of the whole row.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
    #[model(version)]
    revision: i32,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, revision INTEGER)")
        .execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: "hello".to_owned(),
        revision: 0,
    });
    session.flush()?;
    assert_eq!(
        (session[note].id, session[note].text.as_str(), session[note].revision),
        (1, "hello", 1)
    );
    session.rollback()
}
