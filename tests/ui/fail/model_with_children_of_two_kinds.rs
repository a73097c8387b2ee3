// Of two foreign keys one must be named.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! { books (id) { id -> Integer, author_id -> Integer, editor_id -> Nullable<Integer>, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = authors)]
#[model(has_many(Book, on_delete = "cascade"))]
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
