// A row is marked as deleted by a boolean, or by a time.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, gone -> Bool, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[model(soft_delete)]
    gone: bool,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, gone BOOLEAN)").execute(&mut session)?;
    let note = session.add(Note { id: 1, gone: false });
    session.flush()?;
    session.delete(note)?;
    session.flush()?;
    assert_eq!(session.get::<Note>(1)?, None);
    let gone: bool = notes::table.select(notes::gone).first(&mut session)?;
    assert!(gone);
    session.rollback()
}
