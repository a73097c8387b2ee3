// What is embedded says what its columns are.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { people (id) { id -> Integer, street -> Text, number -> Integer, } }

#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = people)]
struct Address {
    street: String,
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = people, check_for_backend(diesel::sqlite::Sqlite))]
struct Person {
    id: i32,
    #[diesel(embed)]
    address: Address,
}

fn main() {}
