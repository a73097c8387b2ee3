// A model names its table.

use aludel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Clone)]
struct Note {
    id: i32,
    text: String,
}

fn main() {}
