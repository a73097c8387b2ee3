// A foreign key of two columns, and children that go with their parent.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { shelves (room, number) { room -> Text, number -> Integer, } }
diesel::table! { books (id) { id -> Integer, room -> Text, shelf -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = shelves, primary_key(room, number))]
#[model(has_many(Book, foreign_key = SHELF, on_delete = "cascade"))]
struct Shelf {
    room: String,
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = books)]
#[model(belongs_to(Shelf, foreign_key(room, shelf)))]
struct Book {
    id: i32,
    room: String,
    shelf: i32,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE shelves (room TEXT, number INTEGER, PRIMARY KEY (room, number))")
        .execute(&mut session)?;
    diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, room TEXT, shelf INTEGER)").execute(&mut session)?;
    let shelf = session.add(Shelf {
        room: "hall".to_owned(),
        number: 3,
    });
    let book = session.add(Book {
        id: 0,
        room: "hall".to_owned(),
        shelf: 3,
    });
    session.flush()?;
    assert_eq!((session[book].id, session[shelf].number), (1, 3));
    assert_eq!(Book::SHELF.get(&session[book]), Some((session[shelf].room.clone(), session[book].shelf)));
    session.delete(shelf)?;
    session.flush()?;
    assert_eq!(books::table.count().get_result::<i64>(&mut session)?, 0);
    session.rollback()
}
