// A model has one version at most.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, revision -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[model(version)]
    revision: i32,
    #[model(version)]
    edition: i32,
}

fn main() {}
