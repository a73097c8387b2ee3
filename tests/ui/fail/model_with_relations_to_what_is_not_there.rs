// Foreign keys are made of fields, and there are three things that become of children.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { shelves (room, number) { room -> Text, number -> Integer, } }
diesel::table! { books (id) { id -> Integer, room -> Text, shelf -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = shelves, primary_key(room, number))]
#[model(has_many(Book, foreign_key = shelf, on_delete = "restrict"))]
struct Shelf {
    room: String,
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = books)]
#[model(belongs_to(Shelf, foreign_key(room, shelve)))]
struct Book {
    id: i32,
    room: String,
    shelf: i32,
}

fn main() {}
