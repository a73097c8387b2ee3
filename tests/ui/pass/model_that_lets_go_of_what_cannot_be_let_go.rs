// NULL goes into an `Option`.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, editor_id -> Nullable<Integer>, } }

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
    author_id: Option<i32>,
    #[model(belongs_to = Author)]
    editor_id: Option<i32>,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT)").execute(&mut session)?;
    diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, editor_id INTEGER)")
        .execute(&mut session)?;
    let author = session.add(Author {
        id: 0,
        name: "Jane".to_owned(),
    });
    session.flush()?;
    let (id, name) = (session[author].id, session[author].name.as_str());
    assert_eq!((id, name), (1, "Jane"));
    let book = session.add(Book {
        id: 0,
        author_id: Some(id),
        editor_id: Some(id),
    });
    session.flush()?;
    assert_eq!((Book::AUTHOR_ID.get(&session[book]), Book::EDITOR_ID.get(&session[book])), (Some(1), Some(1)));
    session.delete(author)?;
    session.flush()?;
    let author_id: Option<i32> = books::table.select(books::author_id).first(&mut session)?;
    let book = session.read(book)?; // its editor is gone too
    assert_eq!((author_id, book.id, book.author_id), (None, 1, None));
    session.rollback()
}
