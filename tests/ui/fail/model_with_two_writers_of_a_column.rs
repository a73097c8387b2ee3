// One of them writes a column.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(read_only)]
    id: i32,
    #[model(read_only, created_at)]
    text: String,
    #[model(version, server_default)]
    revision: i32,
}

fn main() {}
