// A mistake in one model is one error, whoever uses the model.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! { books (id) { id -> Integer, author_id -> Integer, } }

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
    #[model(belongs_to = Author, versionn)]
    author_id: i32,
}

fn books_of(session: &mut Session<SqliteConnection>, author: i32) -> aludel::Result<Option<i32>> {
    let book = session.add(Book {
        id: 0,
        author_id: author,
    });
    session.flush()?;
    Ok(Book::AUTHOR_ID.get(&session[book]))
}

fn main() {}
