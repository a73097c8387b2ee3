//! Foreign keys of several columns, and what becomes of children.

use aludel::prelude::*;
use aludel::{BelongsTo, ForeignKey};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

diesel::table! { shelves (room, number) { room -> Text, number -> Integer, } }
diesel::table! {
    books (id) {
        id -> Integer,
        room -> Text,
        shelf -> Nullable<Integer>,
        lent_by -> Nullable<Text>,
        lent_from -> Nullable<Integer>,
    }
}
diesel::table! { pages (id) { id -> Integer, book_id -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = shelves)]
#[model(has_many(Book, foreign_key = PLACE, on_delete = "cascade"))]
#[model(has_many(self::Book, foreign_key = LENT, on_delete = "set_null"))]
struct Shelf {
    #[model(key)]
    room: String,
    #[model(key)]
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = books)]
#[model(
    belongs_to(Shelf, foreign_key(room, shelf), name = PLACE),
    belongs_to(Shelf, foreign_key(lent_by, lent_from), name = LENT),
    has_many(Page, on_delete = "cascade")
)]
struct Book {
    id: i32,
    room: String,
    shelf: Option<i32>,
    lent_by: Option<String>,
    lent_from: Option<i32>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = pages)]
#[model(belongs_to(Book, foreign_key(book_id)))]
struct Page {
    id: i32,
    book_id: i32,
}

fn session() -> aludel::Result<Session<SqliteConnection>> {
    let mut session = Engine::<SqliteConnection>::new("sqlite://:memory:")?.session();
    session.batch_execute(
        "CREATE TABLE shelves (room TEXT, number INTEGER, PRIMARY KEY (room, number)); \
         CREATE TABLE books (id INTEGER PRIMARY KEY, room TEXT NOT NULL, shelf INTEGER, lent_by TEXT, lent_from INTEGER, \
         FOREIGN KEY (room, shelf) REFERENCES shelves, FOREIGN KEY (lent_by, lent_from) REFERENCES shelves); \
         CREATE TABLE pages (id INTEGER PRIMARY KEY, book_id INTEGER NOT NULL REFERENCES books)",
    )?;
    Ok(session)
}

fn book(shelf: i32, lent_from: Option<i32>) -> Book {
    Book {
        id: 0,
        room: "hall".to_owned(),
        shelf: Some(shelf),
        lent_by: lent_from.map(|_| "hall".to_owned()),
        lent_from,
    }
}

#[test]
fn a_foreign_key_of_several_columns_is_null_when_a_part_is() {
    fn only_one<M: BelongsTo<P>, P: Model>() -> ForeignKey<M, P> {
        M::FOREIGN_KEY
    }
    let mut book = book(3, None);
    assert_eq!(Book::PLACE.get(&book), Some(("hall".to_owned(), 3)));
    assert_eq!(Book::LENT.get(&book), None);
    assert_eq!(Book::PLACE.name(), "room, shelf");
    assert!(Book::PLACE.is_nullable());
    let columns: Vec<_> = Book::REFERENCES.iter().map(|reference| reference.columns()).collect();
    assert_eq!(columns, [[1, 2], [3, 4]]);
    Book::REFERENCES[1].fill(&mut book, &("attic".to_owned(), 9));
    assert_eq!((book.lent_by.as_deref(), book.lent_from), (Some("attic"), Some(9)));
    book.shelf = None;
    assert_eq!(Book::PLACE.get(&book), None);
    // The name of the constant is that of the parent, if nothing is said.
    assert_eq!(
        (Page::BOOK.name(), only_one::<Page, Book>().name()),
        ("book_id", "book_id")
    );
}

#[test]
fn children_go_first_or_are_let_go_as_the_parent_says() -> aludel::Result<()> {
    let mut session = session()?;
    for number in [1, 2] {
        session.add(Shelf {
            room: "hall".to_owned(),
            number,
        });
    }
    let here = session.add(book(1, None));
    let lent = session.add(book(2, Some(1)));
    session.flush()?;
    let here = session[here].id;
    session.add(Page { id: 0, book_id: here });
    session.commit()?;

    session.batch_execute("PRAGMA foreign_keys = ON")?;
    session.commit()?;
    let shelf = session.get_one::<Shelf>(("hall".to_owned(), 1))?;
    session.delete(shelf)?;
    session.commit()?;
    let rows: Vec<(i32, Option<i32>, Option<i32>)> = books::table
        .select((books::id, books::shelf, books::lent_from))
        .load(&mut session)?;
    let lent = session.read(lent)?.id;
    assert_eq!(rows, [(lent, Some(2), None)]);
    assert_eq!(pages::table.count().get_result::<i64>(&mut session)?, 0);
    Ok(())
}

diesel::table! { racks (id) { id -> Integer, } }
diesel::table! { boxes (id) { id -> Integer, rack_id -> Nullable<Integer>, gone -> Bool, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = racks)]
#[model(has_many(Crate, on_delete = "set_null"))]
struct Rack {
    id: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = boxes)]
struct Crate {
    id: i32,
    #[model(belongs_to = Rack)]
    rack_id: Option<i32>,
    #[model(soft_delete)]
    gone: bool,
}

/// Its row is there, and the database would not let its parent go.
#[test]
fn a_child_that_is_only_marked_as_deleted_is_let_go_as_well() -> aludel::Result<()> {
    let mut session = Engine::<SqliteConnection>::new("sqlite://:memory:?foreign_keys=on")?.session();
    session.batch_execute(
        "CREATE TABLE racks (id INTEGER PRIMARY KEY); \
         CREATE TABLE boxes (id INTEGER PRIMARY KEY, rack_id INTEGER REFERENCES racks, gone BOOLEAN NOT NULL)",
    )?;
    let rack = session.add(Rack { id: 0 });
    let boxes = [0, 0].map(|id| Crate {
        id,
        rack_id: None,
        gone: false,
    });
    let [marked, there] = boxes;
    let marked = session.add_to(rack, marked)?;
    session.add_to(rack, there)?;
    session.flush()?;
    session.delete(marked)?;
    session.commit()?;

    session.delete(rack)?;
    session.commit()?;
    let rows: Vec<(Option<i32>, bool)> = boxes::table
        .select((boxes::rack_id, boxes::gone))
        .order(boxes::id)
        .load(&mut session)?;
    assert_eq!(rows, [(None, true), (None, false)]);
    Ok(())
}
