// A version that the database makes, and a column that it fills in where nothing is said.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(generated)]
    id: i32,
    #[model(server_default)]
    text: String,
    #[model(version(server))]
    revision: i32,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT DEFAULT 'nothing', revision INTEGER DEFAULT 7)",
    )
    .execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        text: String::new(),
        revision: 0,
    });
    session.flush()?;
    assert_eq!(
        (session[note].id, session[note].text.as_str(), session[note].revision),
        (1, "nothing", 7)
    );
    session.rollback()
}
