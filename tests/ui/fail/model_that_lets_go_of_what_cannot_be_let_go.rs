// NULL goes only where it can.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! { books (id) { id -> Integer, author_id -> Integer, editor_id -> Nullable<Integer>, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = authors)]
#[model(has_many(Book, foreign_key = AUTHOR_ID, on_delete = "set_null"))]
struct Author {
    id: i32,
    name: String,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = books)]
struct Book {
    id: i32,
    #[model(belongs_to = Author)]
    author_id: i32,
    #[model(belongs_to = Author)]
    editor_id: Option<i32>,
}

fn main() {}
