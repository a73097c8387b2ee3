// A model is not generic.

use aludel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Clone)]
#[diesel(table_name = notes)]
struct Note<T> {
    id: i32,
    text: T,
}

fn main() {}
