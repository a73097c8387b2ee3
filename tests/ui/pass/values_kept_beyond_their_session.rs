// A reference to a value does not outlive the session that holds it; a clone does.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn longest(engine: &Engine<SqliteConnection>) {
    let text;
    {
        let mut session = engine.session();
        let note = session.add(Note {
            id: 0,
            text: "hello".to_owned(),
        });
        text = session[note].text.clone();
    }
    println!("{text}");
}

fn main() -> aludel::Result<()> {
    longest(&Engine::new("sqlite://:memory:")?);
    Ok(())
}
