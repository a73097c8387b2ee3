//! Who writes a column: the program, a function of it, the database, or a flush by itself.

use std::sync::atomic::{AtomicI32, Ordering};

use aludel::plumbing::{Columns, Role, VersionKind};
use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::names;

diesel::table! {
    jobs (id) {
        id -> Text,
        name -> Text,
        priority -> Integer,
        length -> Nullable<Integer>,
        etag -> Text,
        archived -> Bool,
    }
}
diesel::table! { visits (shop, day) { shop -> Text, day -> Integer, row_version -> BigInt, } }
diesel::table! { notes (id) { id -> Integer, text -> Text, version -> Integer, } }

static IDS: AtomicI32 = AtomicI32::new(1);

fn next_id() -> String {
    format!("job-{}", IDS.fetch_add(1, Ordering::SeqCst))
}

fn next_etag(before: Option<&String>) -> String {
    before.map_or_else(|| "a".to_owned(), |before| format!("{before}a"))
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = jobs, check_for_backend(diesel::sqlite::Sqlite))]
struct Job {
    name: String,
    #[model(server_default)]
    priority: i32,
    #[model(read_only)]
    length: Option<i32>,
    #[model(key, default = next_id)]
    id: String,
    #[model(version = next_etag)]
    etag: String,
    #[model(soft_delete)]
    archived: bool,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = visits, primary_key(shop, day))]
struct Visit {
    #[model(default = next_id)]
    shop: String,
    day: i32,
    #[model(version(server))]
    row_version: i64,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
    #[model(version(manual))]
    version: i32,
}

fn session() -> aludel::Result<Session<SqliteConnection>> {
    let mut session = Engine::<SqliteConnection>::new("sqlite://:memory:")?.session();
    session.batch_execute(
        "CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT NOT NULL, priority INTEGER NOT NULL DEFAULT 5, \
         length INTEGER AS (length(name)), etag TEXT NOT NULL, archived BOOLEAN NOT NULL); \
         CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, version INTEGER NOT NULL); \
         CREATE TRIGGER other AFTER UPDATE ON notes WHEN new.version = 20 BEGIN UPDATE notes SET version = 30; END",
    )?;
    Ok(session)
}

fn job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        ..Job::default()
    }
}

#[test]
fn the_shape_says_who_writes_what() {
    let shape = Job::shape();
    assert_eq!((shape.keys, shape.generated), (1, false));
    assert_eq!(names::<Job>(shape.with_role(Role::ReadOnly)), ["length"]);
    assert_eq!(names::<Job>(shape.with_role(Role::ServerDefault)), ["priority"]);
    assert_eq!((shape.version, shape.version_kind), (Some(4), VersionKind::Client));
    assert_eq!((shape.soft_delete, Job::SOFT_DELETE_IS_TIME), (Some(5), false));
    assert_eq!(Visit::shape().version_kind, VersionKind::Server);
    assert_eq!(Note::shape().version_kind, VersionKind::Manual);
    assert_eq!(Note::shape().soft_delete, None);
}

#[test]
fn a_key_that_a_function_makes_is_none_until_then_and_made_once() {
    let mut new = job("paint");
    assert_eq!(Model::key(&new), None);
    new.make_key();
    let made = Model::key(&new);
    assert!(made.is_some());
    new.make_key();
    assert_eq!(Model::key(&new), made);
    let mut visit = Visit {
        shop: String::new(),
        day: 3,
        row_version: 0,
    };
    assert_eq!(Model::key(&visit), None);
    visit.make_key();
    assert_eq!(Model::key(&visit), Some((visit.shop.clone(), 3)));
    assert!(visit.shop.starts_with("job-"));
}

#[test]
fn only_a_version_that_the_client_makes_is_advanced() {
    let mut new = job("paint");
    assert!(new.version_is_unset());
    new.advance_version(None);
    let loaded = new.clone();
    new.advance_version(Some(&loaded));
    assert_eq!((loaded.etag.as_str(), new.etag.as_str()), ("a", "aa"));
    new.etag = "mine".to_owned();
    new.advance_version(Some(&loaded));
    assert_eq!(
        (new.etag.as_str(), new.version_text().as_deref()),
        ("mine", Some("\"mine\""))
    );
    let mut note = Note {
        id: 1,
        text: String::new(),
        version: 7,
    };
    note.advance_version(None);
    note.advance_version(Some(&note.clone()));
    assert_eq!((note.version, note.version_text().as_deref()), (7, Some("7")));
}

#[test]
fn what_is_left_to_the_database_is_what_has_the_default_of_its_type() {
    let priority = Columns::one(2);
    assert_eq!(
        (job("paint").unset(), names::<Job>(priority)),
        (priority, vec!["priority"])
    );
    let urgent = Job {
        priority: 9,
        ..job("paint")
    };
    assert_eq!(urgent.unset(), Columns::NONE);
    assert_eq!(Job::shape().with_role(Role::ReadOnly), Columns::one(3));
}

#[test]
fn a_flush_makes_keys_versions_and_marks_and_learns_what_the_database_has_made() -> aludel::Result<()> {
    let mut session = session()?;
    let paint = session.add(job("paint"));
    let urgent = session.add(Job {
        priority: 9,
        ..job("sweep")
    });
    session.flush()?;
    let (read, other) = (session[paint].clone(), session[urgent].clone());
    assert!(read.id.starts_with("job-") && read.id != other.id);
    assert_eq!((read.priority, read.length, read.etag.as_str()), (5, Some(5), "a"));
    assert_eq!((other.priority, other.length), (9, Some(5)));
    session[paint].name = "varnish".to_owned();
    session.commit()?;
    let paint = session.get_one::<Job>(read.id.clone())?;
    assert_eq!((session[paint].length, session[paint].etag.as_str()), (Some(7), "aa"));

    session[paint].length = Some(1);
    let error = session.flush().expect_err("the database makes it");
    assert!(error.to_string().contains("Job.length is read-only"), "{error}");
    session.rollback()?;

    let paint = session.get_one::<Job>(read.id.clone())?;
    session.delete(paint)?;
    session.commit()?;
    assert_eq!(session.get::<Job>(read.id.clone())?, None);
    let rows: Vec<(String, bool)> = jobs::table
        .select((jobs::id, jobs::archived))
        .order(jobs::archived.desc())
        .load(&mut session)?;
    assert_eq!(rows, [(read.id, true), (other.id, false)]);
    Ok(())
}

#[test]
fn a_version_that_the_program_sets_is_compared_all_the_same() -> aludel::Result<()> {
    let mut session = session()?;
    let note = session.add(Note {
        id: 0,
        text: "one".to_owned(),
        version: 10,
    });
    session.flush()?;
    // Somebody else is faster, of which the session hears nothing.
    session[note].text = "two".to_owned();
    session[note].version = 20;
    session.flush()?;
    session[note].text = "three".to_owned();
    let error = session.flush().expect_err("somebody else was there");
    assert!(error.is_version_conflict(), "{error}");
    assert!(error.to_string().contains("expected version 20, found 30"), "{error}");
    session.rollback()?;
    Ok(())
}
