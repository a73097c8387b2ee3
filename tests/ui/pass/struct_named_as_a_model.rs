// What is generic over models takes models; `#[derive(Model)]` makes a struct one.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
}

fn name<M: Model>() -> &'static str {
    M::NAME
}

fn main() {
    assert_eq!(name::<Note>(), "Note");
}
