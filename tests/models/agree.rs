//! An object, a plain Diesel query and raw SQL agree about a row, whatever has changed it.

use aludel::prelude::*;
use aludel::{Flavour, IsolationLevel, SessionFactory};
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::ground::{GENERATED, Ground};
use super::{C, upserts};

diesel::table! { things (id) { id -> Integer, label -> Text, amount -> Integer, } }
diesel::table! {
    #[sql_name = "things"]
    things_again (id) { id -> Integer, label -> Text, }
}
diesel::table! { shelves (id) { id -> Integer, label -> Text, } }
diesel::table! { books (id) { id -> Integer, shelf_id -> Integer, } }
diesel::table! { notes (id) { id -> Integer, book_id -> Nullable<Integer>, } }
diesel::table! { nodes (id) { id -> Integer, parent_id -> Nullable<Integer>, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = things)]
struct Thing {
    id: i32,
    label: String,
    amount: i32,
}

/// Another view of the same table.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = things)]
struct Label {
    id: i32,
    label: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = shelves)]
struct Shelf {
    #[model(key, assigned)]
    id: i32,
    label: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = books)]
struct Book {
    #[model(key, assigned)]
    id: i32,
    #[model(belongs_to = Shelf)]
    shelf_id: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = notes)]
struct Note {
    #[model(key, assigned)]
    id: i32,
    #[model(belongs_to = Book)]
    book_id: Option<i32>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = nodes)]
struct Node {
    #[model(key, assigned)]
    id: i32,
    #[model(belongs_to = Node)]
    parent_id: Option<i32>,
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    label: String,
}

/// One thing, of number 1.
fn one_thing(name: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE things (id {GENERATED}, label VARCHAR(40) NOT NULL, amount INTEGER NOT NULL); \
         INSERT INTO things (label, amount) VALUES ('one', 1);"
    );
    Ground::open(name, &schema)
}

/// The object, a typed query and raw SQL say the same of the thing.
#[track_caller]
fn agree(session: &mut Session<C>, thing: Entity<Thing>, expected: &str) -> aludel::Result<()> {
    let Thing { id, label, .. } = session.read(thing)?.clone();
    let typed: String = things::table.find(id).select(things::label).get_result(session)?;
    let raw: Said = diesel::sql_query(format!("SELECT label FROM things WHERE id = {id}")).get_result(session)?;
    assert_eq!([&label, &typed, &raw.label], [expected; 3]);
    session.assert_invariants();
    Ok(())
}

type Change = dyn Fn(&mut Session<C>) -> aludel::Result<()>;

/// Runs each of these against a thing that was read, and answers what it has become.
fn after_each(name: &str, changes: &[&Change]) -> aludel::Result<()> {
    let ground = one_thing(name);
    for change in changes {
        let mut session = ground.engine.session();
        let thing = session.get_one::<Thing>(1)?;
        agree(&mut session, thing, "one")?;
        change(&mut session)?;
        agree(&mut session, thing, "new")?;
        session.rollback()?;
        agree(&mut session, thing, "one")?;
    }
    Ok(())
}

#[test]
fn typed_statements() -> aludel::Result<()> {
    let update = |session: &mut Session<C>| -> aludel::Result<()> {
        diesel::update(things::table.find(1))
            .set(things::label.eq("new"))
            .execute(session)?;
        Ok(())
    };
    // By another `table!` of the same table, and by a reference to the statement.
    let other_type = |session: &mut Session<C>| -> aludel::Result<()> {
        let update = diesel::update(things_again::table.find(1)).set(things_again::label.eq("new"));
        session.execute_returning_count(&update)?;
        Ok(())
    };
    let with_raw = |session: &mut Session<C>| -> aludel::Result<()> {
        session.with_raw(|raw| {
            Ok(diesel::update(things::table)
                .set(things::label.eq("new"))
                .execute(raw)?)
        })?;
        Ok(())
    };
    after_each("typed_statements", &[&update, &other_type, &with_raw])
}

#[test]
fn typed_upserts() -> aludel::Result<()> {
    let ground = one_thing("typed_upserts");
    for upsert in upserts::TYPED {
        let mut session = ground.engine.session();
        let thing = session.get_one::<Thing>(1)?;
        upsert(&mut session, 1, "new")?;
        agree(&mut session, thing, "new")?;
        session.rollback()?;
    }
    Ok(())
}

#[test]
fn upserts_as_text() -> aludel::Result<()> {
    let texts: &[&str] = match C::FLAVOUR {
        Flavour::Sqlite => &[
            "INSERT INTO things (id, label, amount) VALUES (1, 'new', 2) ON CONFLICT (id) DO UPDATE SET label = excluded.label",
            "INSERT OR REPLACE INTO things (id, label, amount) VALUES (1, 'new', 2)",
            "REPLACE INTO things (id, label, amount) VALUES (1, 'new', 2)",
        ],
        Flavour::MySql => &[
            "INSERT INTO things (id, label, amount) VALUES (1, 'new', 2) ON DUPLICATE KEY UPDATE label = VALUES(label)",
            "REPLACE INTO things (id, label, amount) VALUES (1, 'new', 2)",
        ],
        _ => &[
            "INSERT INTO things (id, label, amount) VALUES (1, 'new', 2) ON CONFLICT (id) DO UPDATE SET label = excluded.label",
            "WITH changed AS (UPDATE things SET label = 'new' RETURNING id) SELECT 'new' AS label FROM changed",
        ],
    };
    let ground = one_thing("upserts_as_text");
    for text in texts {
        let mut session = ground.engine.session();
        let thing = session.get_one::<Thing>(1)?;
        diesel::sql_query(*text).execute(&mut session)?;
        agree(&mut session, thing, "new")?;
        session.rollback()?;
        agree(&mut session, thing, "one")?;
        session.batch_execute(text)?;
        agree(&mut session, thing, "new")?;
    }
    Ok(())
}

#[test]
fn a_batch_that_fails_half_way() -> aludel::Result<()> {
    let ground = one_thing("half_way");
    let mut session = ground.engine.session();
    let thing = session.get_one::<Thing>(1)?;
    let failed =
        session.batch_execute("UPDATE things SET label = 'new' WHERE id = 1; UPDATE nothing SET label = 'new'");
    assert!(failed.is_err());
    if session.is_doomed() {
        // PostgreSQL has undone all of it, and the session says so to whoever asks.
        assert!(session.read(thing).is_err());
        session.rollback()?;
        return agree(&mut session, thing, "one");
    }
    agree(&mut session, thing, "new")
}

#[test]
fn two_models_of_one_table() -> aludel::Result<()> {
    let ground = one_thing("two_models");
    let mut session = ground.engine.session();
    let (thing, label) = (session.get_one::<Thing>(1)?, session.get_one::<Label>(1)?);
    session.edit(label)?.label = "new".to_owned();
    session.flush()?;
    agree(&mut session, thing, "new")?;
    session.edit(thing)?.amount = 5;
    assert_eq!(session.read(label)?.label, "new");
    session.delete(label)?;
    session.flush()?;
    assert!(session.read(thing).unwrap_err().is_not_found());
    session.rollback()?;
    let thing = session.get_one::<Thing>(1)?;
    agree(&mut session, thing, "one")
}

/// A shelf, a book on it, a note on that.
fn a_shelf(name: &str) -> Ground {
    let schema = "CREATE TABLE shelves (id INTEGER PRIMARY KEY, label VARCHAR(40) NOT NULL); \
         CREATE TABLE books (id INTEGER PRIMARY KEY, shelf_id INTEGER NOT NULL, \
           FOREIGN KEY (shelf_id) REFERENCES shelves (id) ON DELETE CASCADE ON UPDATE CASCADE); \
         CREATE TABLE notes (id INTEGER PRIMARY KEY, book_id INTEGER, \
           FOREIGN KEY (book_id) REFERENCES books (id) ON DELETE SET NULL); \
         INSERT INTO shelves VALUES (1, 'one'); INSERT INTO books VALUES (2, 1); INSERT INTO notes VALUES (3, 2);";
    Ground::open(name, schema)
}

#[test]
fn what_the_database_does_to_children() -> aludel::Result<()> {
    let by_flush = |session: &mut Session<C>| -> aludel::Result<()> {
        let shelf = session.get_one::<Shelf>(1)?;
        session.delete(shelf)?;
        session.flush()
    };
    let typed = |session: &mut Session<C>| -> aludel::Result<()> {
        diesel::delete(shelves::table.find(1)).execute(session)?;
        Ok(())
    };
    let changes: [&Change; 2] = [&by_flush, &typed];
    let ground = a_shelf("children");
    for change in changes {
        let mut session = ground.engine.session();
        let (book, note) = (session.get_one::<Book>(2)?, session.get_one::<Note>(3)?);
        change(&mut session)?;
        assert!(session.read(book).unwrap_err().is_not_found());
        assert_eq!(session.read(note)?.book_id, None);
        session.rollback()?;
        assert_eq!(session.read(note)?.book_id, Some(2));
    }
    Ok(())
}

/// The model in the middle is one that the session has never had objects of.
#[test]
fn what_the_database_does_to_grandchildren() -> aludel::Result<()> {
    let ground = a_shelf("grandchildren");
    let mut session = ground.engine.session();
    let note = session.get_one::<Note>(3)?;
    diesel::delete(shelves::table).execute(&mut session)?;
    assert_eq!(session.read(note)?.book_id, None);
    Ok(())
}

#[test]
fn a_key_that_changes_is_followed_by_children() -> aludel::Result<()> {
    let ground = a_shelf("followed");
    let mut session = ground.engine.session();
    let (shelf, book) = (session.get_one::<Shelf>(1)?, session.get_one::<Book>(2)?);
    session.edit(shelf)?.id = 7;
    session.flush()?;
    assert_eq!(session.read(book)?.shelf_id, 7);
    session.rollback()?;
    assert_eq!((session.read(book)?.shelf_id, session.read(shelf)?.id), (1, 1));
    Ok(())
}

#[test]
fn what_the_database_does_to_rows_of_the_same_table() -> aludel::Result<()> {
    let ground = Ground::open(
        "same_table",
        "CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent_id INTEGER, \
           FOREIGN KEY (parent_id) REFERENCES nodes (id) ON DELETE SET NULL); \
         INSERT INTO nodes VALUES (1, NULL); INSERT INTO nodes VALUES (2, 1);",
    );
    let mut session = ground.engine.session();
    let (root, leaf) = (session.get_one::<Node>(1)?, session.get_one::<Node>(2)?);
    session.delete(root)?;
    session.flush()?;
    assert_eq!(session.read(leaf)?.parent_id, None);
    Ok(())
}

/// A setting that changes what a query means; and variables, which do not.
#[test]
fn settings() -> aludel::Result<()> {
    let ground = one_thing("settings");
    let mut session = ground.engine.session();
    let thing = session.get_one::<Thing>(1)?;
    if C::FLAVOUR == Flavour::PostgreSql {
        session.batch_execute(
            "CREATE SCHEMA other; CREATE TABLE other.things (LIKE things); \
             INSERT INTO other.things SELECT id, 'new', amount FROM things",
        )?;
        agree(&mut session, thing, "one")?;
        session.batch_execute("SET LOCAL search_path = other")?;
        agree(&mut session, thing, "new")?;
        diesel::sql_query("SELECT set_config('search_path', 'public', true) AS label").execute(&mut session)?;
        return agree(&mut session, thing, "one");
    }
    ground.sent();
    let harmless: &[&str] = match C::FLAVOUR {
        Flavour::MySql => &["SET @name = 1", "SHOW TABLES"],
        _ => &["PRAGMA user_version", "EXPLAIN SELECT 1"],
    };
    for text in harmless {
        session.batch_execute(text)?;
    }
    assert_eq!(session.read(thing)?.label, "one");
    ground.expect_sent(harmless);
    Ok(())
}

#[test]
fn autocommit() -> aludel::Result<()> {
    let ground = one_thing("autocommit");
    let factory = SessionFactory::new(&ground.engine).isolation_level(IsolationLevel::Autocommit);
    let mut session = factory.session();
    let thing = session.get_one::<Thing>(1)?;
    agree(&mut session, thing, "one")?;
    ground.outside().batch_execute("UPDATE things SET label = 'new'")?;
    let typed: String = things::table.select(things::label).get_result(&mut session)?;
    assert_eq!(typed, "new");
    assert_eq!(session[thing].label, "one"); // for a last look, as after a commit
    agree(&mut session, thing, "new")
}

/// DDL commits by the way on MariaDB, and what is committed no rollback undoes.
#[test]
fn what_ddl_has_committed() -> aludel::Result<()> {
    let ground = one_thing("ddl");
    let mut session = ground.engine.session();
    let thing = session.get_one::<Thing>(1)?;
    session.edit(thing)?.id = 9;
    let new = session.add(Thing {
        id: 0,
        label: "two".to_owned(),
        amount: 2,
    });
    session.flush()?;
    session.batch_execute("CREATE TABLE more (id INTEGER)")?;
    session.rollback()?;
    session.assert_invariants();
    if C::FLAVOUR == Flavour::MySql {
        assert_eq!(session.get::<Thing>(9)?, Some(thing));
        assert_eq!(session.get::<Thing>(1)?, None);
        return agree(&mut session, new, "two");
    }
    assert_eq!(session.get::<Thing>(1)?, Some(thing));
    assert!(session.read(new).unwrap_err().is_stale_entity());
    agree(&mut session, thing, "one")
}

#[test]
fn a_query_leaves_out_what_is_to_be_deleted() -> aludel::Result<()> {
    let ground = one_thing("left_out");
    let mut session = ground.engine.session();
    let thing = session.get_one::<Thing>(1)?;
    session.delete(thing)?;
    let found = session.no_autoflush(|session| session.query::<Thing, _>(things::table))?;
    assert_eq!(found, []);
    assert_eq!(session.get::<Thing>(1)?, None);
    session.rollback()?;
    assert_eq!(session.query::<Thing, _>(things::table)?, [thing]);
    Ok(())
}
