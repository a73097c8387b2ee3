// A row is marked as deleted by a time or a boolean.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, gone -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[model(soft_delete)]
    gone: i32,
}

fn main() {}
