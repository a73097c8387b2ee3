// A child that its parent and a function refer to.

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
    #[model(belongs_to = Author)]
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

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT)").execute(&mut session)?;
    diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER)").execute(&mut session)?;
    let author = session.add(Author {
        id: 3,
        name: "Jane".to_owned(),
    });
    assert_eq!(books_of(&mut session, 3)?, Some(3));
    assert_eq!(session[author].name, "Jane");
    session.delete(author)?;
    session.flush()?;
    assert_eq!(books::table.count().get_result::<i64>(&mut session)?, 0);
    session.rollback()
}
