// A session is not dropped while a value is borrowed from it; what is needed of the value is taken before.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn key<C: Dialect, M: Persist<C::Backend>>(
    mut session: Session<C>,
    entity: Entity<M>,
) -> aludel::Result<Option<M::Key>> {
    let key = session.read(entity)?.key();
    drop(session);
    Ok(key)
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::<SqliteConnection>::new("sqlite://:memory:")?.session();
    let note = session.add(Note {
        id: 7,
        text: "hello".to_owned(),
    });
    assert_eq!(session[note].text, "hello");
    assert_eq!(key(session, note)?, Some(7));
    Ok(())
}
