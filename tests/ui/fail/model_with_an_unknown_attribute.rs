// `#[model(..)]` knows its keys.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
    #[model(verson)]
    revision: i32,
}

fn main() {}
