// A key belongs to the model, and an embedded struct is there as a whole.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { people (id) { id -> Integer, street -> Text, number -> Integer, } }

#[derive(Embedded, Queryable, Selectable, Clone)]
#[diesel(table_name = people)]
struct Address {
    #[model(key)]
    street: String,
    #[model(version)]
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = people)]
struct Person {
    id: i32,
    #[diesel(embed)]
    #[model(read_only)]
    address: Option<Address>,
}

fn main() {}
