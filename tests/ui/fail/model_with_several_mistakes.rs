// All mistakes of one struct are reported at once, each at its place.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
#[model(version)]
struct Note {
    #[model(version)]
    id: i32,
    #[model(verson)]
    revision: i32,
    #[model(key = true)]
    text: String,
}

fn main() {}
