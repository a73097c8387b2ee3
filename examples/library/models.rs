//! The tables, as Diesel has them, and a struct for each.

use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::Db;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! { books (id) { id -> Integer, author_id -> Integer, title -> Text, copies -> Integer, version -> Integer, } }
diesel::table! { loans (id) { id -> Integer, book_id -> Nullable<Integer>, reader -> Text, returned -> Bool, } }
diesel::joinable!(books -> authors (author_id));
diesel::allow_tables_to_appear_in_same_query!(authors, books);

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = authors)]
#[model(has_many(Book, on_delete = "cascade"))]
pub(crate) struct Author {
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = books)]
#[model(has_many(Loan, on_delete = "set_null"))]
pub(crate) struct Book {
    pub(crate) id: i32,
    #[model(belongs_to = Author)]
    pub(crate) author_id: i32,
    pub(crate) title: String,
    pub(crate) copies: i32,
    #[model(version)]
    pub(crate) version: i32,
}

/// Who has what. A loan that has ended stays, as a mark in the books of the library.
#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = loans)]
pub(crate) struct Loan {
    pub(crate) id: i32,
    #[model(belongs_to = Book)]
    pub(crate) book_id: Option<i32>,
    pub(crate) reader: String,
    #[model(soft_delete)]
    pub(crate) returned: bool,
}

impl Author {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            id: 0, // the database makes it
            name: name.to_owned(),
        }
    }
}

impl Book {
    pub(crate) fn titled(title: &str, copies: i32) -> Self {
        Self {
            id: 0,
            author_id: 0, // its author's, whatever that will be
            title: title.to_owned(),
            copies,
            version: 0,
        }
    }
}

impl Loan {
    pub(crate) fn to(reader: &str) -> Self {
        Self {
            id: 0,
            book_id: None,
            reader: reader.to_owned(),
            returned: false,
        }
    }
}

pub(crate) fn create(session: &mut Db) -> aludel::Result<()> {
    Ok(session.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES authors (id),
             title TEXT NOT NULL, copies INTEGER NOT NULL CHECK (copies >= 0), version INTEGER NOT NULL);
         CREATE TABLE loans (id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES books (id), reader TEXT NOT NULL,
             returned BOOLEAN NOT NULL);",
    )?)
}
