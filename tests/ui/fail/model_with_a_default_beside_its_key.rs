// `default` makes keys, and there is one maker.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

fn nothing() -> String {
    String::new()
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    #[model(generated, default = i32::default)]
    id: i32,
    #[model(default = nothing)]
    text: String,
}

fn main() {}
