// A flush writes times, and nothing else, by itself.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, made -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[model(created_at)]
    made: i64,
}

fn main() {}
