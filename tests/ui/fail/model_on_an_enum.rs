// A model is a struct.

use aludel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Clone)]
#[diesel(table_name = notes)]
enum Note {
    Short,
    Long,
}

fn main() {}
