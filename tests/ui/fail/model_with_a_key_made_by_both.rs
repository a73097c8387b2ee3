// A key is made by the database or by the client.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(generated, assigned)]
    id: i32,
    text: String,
}

fn main() {}
