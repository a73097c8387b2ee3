//! Columns that the database fills in, and those that a flush does.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{EngineBuilder, Timestamp};
use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::BigInt;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { paints (id) { id -> Integer, label -> Text, color -> Text, gloss -> Nullable<Integer>, } }
diesel::table! { boxes (id) { id -> Integer, width -> Integer, area -> Integer, color -> Text, } }
diesel::table! { lids (id) { id -> Integer, box_id -> Integer, } }
diesel::table! { keyed (id) { id -> Integer, label -> Text, } }
diesel::table! { notes (id) { id -> Integer, text -> Text, made -> BigInt, changed -> BigInt, gone -> Nullable<BigInt>, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = paints)]
struct Paint {
    id: i32,
    label: String,
    #[model(server_default)]
    color: String,
    #[model(server_default)]
    gloss: Option<i32>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = boxes)]
struct Crate {
    id: i32,
    width: i32,
    #[model(read_only)]
    area: i32,
    #[model(server_default)]
    color: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = lids)]
struct Lid {
    id: i32,
    #[model(belongs_to = Crate)]
    box_id: i32,
}

/// Its key is made by the program.
#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = keyed)]
struct Keyed {
    #[model(default = next_key)]
    id: i32,
    label: String,
}

static KEYS: AtomicI32 = AtomicI32::new(100);

fn next_key() -> i32 {
    KEYS.fetch_add(1, Ordering::Relaxed)
}

/// Seconds since 1970, a type of the program's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
struct Seconds(i64);

impl<DB: Backend> ToSql<BigInt, DB> for Seconds
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB: Backend> FromSql<BigInt, DB> for Seconds
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

impl Timestamp for Seconds {
    fn from_time(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = notes)]
struct Note {
    #[model(assigned)]
    id: i32,
    text: String,
    #[model(created_at)]
    made: Seconds,
    #[model(updated_at)]
    changed: Seconds,
    #[model(soft_delete)]
    gone: Option<Seconds>,
}

fn paint(label: &str, color: &str) -> Paint {
    Paint {
        label: label.to_owned(),
        color: color.to_owned(),
        ..Paint::default()
    }
}

fn ground(name: &str) -> Ground {
    ground_with(name, |builder| builder)
}

fn ground_with(name: &str, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Ground {
    let schema = format!(
        "CREATE TABLE paints (id {GENERATED}, label VARCHAR(40) NOT NULL, color VARCHAR(40) NOT NULL DEFAULT 'red', \
         gloss INTEGER DEFAULT 7); \
         CREATE TABLE boxes (id {GENERATED}, width INTEGER NOT NULL, area INTEGER GENERATED ALWAYS AS (width * width) STORED, \
         color VARCHAR(40) NOT NULL DEFAULT 'brown'); \
         CREATE TABLE lids (id {GENERATED}, box_id INTEGER NOT NULL, FOREIGN KEY (box_id) REFERENCES boxes (id)); \
         CREATE TABLE keyed (id INTEGER PRIMARY KEY, label VARCHAR(40) NOT NULL); \
         CREATE TABLE notes (id INTEGER PRIMARY KEY, text VARCHAR(40) NOT NULL, made BIGINT NOT NULL, changed BIGINT NOT NULL, \
         gone BIGINT);"
    );
    Ground::open_with(name, &schema, options)
}

/// What the INSERT does not say is read by one SELECT for all rows, on every database: a trigger may have changed what RETURNING
/// would answer.
#[test]
fn eager_defaults() -> aludel::Result<()> {
    let ground = ground("defaults_eager");
    let mut session = ground.engine.session();
    let made = session.add_all((1..=5).map(|width| Crate {
        width,
        ..Crate::default()
    }));
    session.flush()?;
    ground.expect_done(&["INSERT boxes (width) x 5", "SELECT boxes WHERE id x 5"]);
    for (width, &one) in (1..).zip(&made) {
        assert_eq!(
            (session[one].area, session[one].color.as_str()),
            (width * width, "brown")
        );
        assert!(!session.is_modified(one));
    }
    session.commit()?;
    ground.expect_done(&[]);
    Ok(())
}

#[test]
fn insert_nopostfetch() -> aludel::Result<()> {
    let ground = ground("defaults_nopostfetch");
    let mut session = ground.engine.session();
    session.add(Paint {
        gloss: Some(1),
        ..paint("a", "blue")
    });
    session.commit()?;
    ground.expect_done(&["INSERT paints (label, color, gloss)"]);
    Ok(())
}

#[test]
fn update() -> aludel::Result<()> {
    let ground = ground("defaults_update");
    let mut session = ground.engine.session();
    let made = session.add_all((1..=4).map(|width| Crate {
        width,
        ..Crate::default()
    }));
    session.flush()?;
    ground.done();
    for &one in &made {
        session.edit(one)?.width += 1;
    }
    session.flush()?;
    ground.expect_done(&["UPDATE boxes SET width WHERE id x 4", "SELECT boxes WHERE id x 4"]);
    assert_eq!(session[made[3]].area, 25);
    // Once it is there, it is a column as any: also its default is written.
    session.edit(made[0])?.color = String::new();
    session.flush()?;
    assert_eq!(session[made[0]].color, "");
    ground.expect_done(&["UPDATE boxes SET color WHERE id", "SELECT boxes WHERE id"]);
    session.edit(made[0])?.area = 3;
    let text = session.flush().expect_err("it is read-only").to_string();
    assert!(text.contains("Crate.area is read-only"), "{text}");
    ground.expect_done(&[]);
    Ok(())
}

#[test]
fn used_in_relationship() -> aludel::Result<()> {
    let ground = ground("defaults_relationship");
    let mut session = ground.engine.session();
    let one = session.add(Crate {
        width: 2,
        ..Crate::default()
    });
    let lid = session.add_to(one, Lid::default())?;
    session.flush()?;
    ground.expect_done(&["INSERT boxes (width)", "SELECT boxes WHERE id", "INSERT lids (box_id)"]);
    assert_eq!(session[lid].box_id, session[one].id);
    session.commit()
}

/// As a column property over others: it is right after each write.
#[test]
fn refreshes() -> aludel::Result<()> {
    let ground = ground("defaults_refreshes");
    let mut session = ground.engine.session();
    let one = session.add(Crate {
        width: 3,
        ..Crate::default()
    });
    session.flush()?;
    assert_eq!(session[one].area, 9);
    session.edit(one)?.width = 4;
    session.flush()?;
    assert_eq!(session[one].area, 16);
    session.rollback()
}

/// Rows with and without the value are statements of their own, in the order of the adds.
#[test]
fn insert_dont_fetch_nondefaults() -> aludel::Result<()> {
    let ground = ground("defaults_mixed");
    let mut session = ground.engine.session();
    let bare = session.add_all(["a", "b", "c", "d"].map(|label| paint(label, "")));
    let given = session.add_all(["e", "f", "g", "h"].map(|label| Paint {
        gloss: Some(1),
        ..paint(label, "blue")
    }));
    session.flush()?;
    ground.expect_done(&[
        "INSERT paints (label) x 4",
        "INSERT paints (label, color, gloss) x 4",
        "SELECT paints WHERE id x 4",
    ]);
    for &one in &bare {
        assert_eq!((session[one].color.as_str(), session[one].gloss), ("red", Some(7)));
    }
    for &one in &given {
        assert_eq!((session[one].color.as_str(), session[one].gloss), ("blue", Some(1)));
    }
    session.commit()
}

#[test]
fn eager_default_setting_inserts() -> aludel::Result<()> {
    for returning in [true, false] {
        let name = format!("defaults_returning_{returning}");
        let ground = ground_with(&name, |builder| builder.implicit_returning(returning));
        let mut session = ground.engine.session();
        let made = session.add_all(["a", "b"].map(|label| paint(label, "")));
        session.commit()?;
        for (key, &one) in (1..).zip(&made) {
            assert_eq!(
                (session[one].id, session[one].color.as_str(), session[one].gloss),
                (key, "red", Some(7))
            );
        }
    }
    Ok(())
}

/// `None` is NULL where nothing is said of the column; where the database has a default, it is left out, and NULL is written by an
/// UPDATE.
#[test]
fn evalnull_nodefault_insert() -> aludel::Result<()> {
    let ground = ground("defaults_null");
    let mut session = ground.engine.session();
    let one = session.add(paint("a", "blue"));
    session.flush()?;
    ground.expect_done(&["INSERT paints (label, color)", "SELECT paints WHERE id"]);
    assert_eq!(session[one].gloss, Some(7));
    session.edit(one)?.gloss = None;
    session.commit()?;
    ground.expect_done(&["UPDATE paints SET gloss WHERE id"]);
    assert_eq!(session.read(one)?.gloss, None);
    Ok(())
}

/// A default of the program's is a Rust function: once a row, at the flush, and not for a key that was given.
#[test]
fn clientsql_insert_defaults_nonpresent() -> aludel::Result<()> {
    let ground = ground("defaults_client");
    let mut session = ground.engine.session();
    let label = || "a".to_owned();
    let made = session.add_all([0, 7, 0].map(|id| Keyed { id, label: label() }));
    let first = KEYS.load(Ordering::Relaxed);
    session.flush()?;
    ground.expect_done(&["INSERT keyed (id, label) x 3"]);
    assert_eq!(
        made.iter().map(|&one| session[one].id).collect::<Vec<_>>(),
        [first, 7, first + 1]
    );
    assert_eq!(session.get::<Keyed>(first)?, Some(made[0]));
    session.commit()
}

#[test]
fn times_are_written_with_what_is_written() -> aludel::Result<()> {
    let (clock, test) = Clock::test();
    let ground = ground_with("defaults_times", |builder| builder.clock(clock));
    let mut session = ground.engine.session();
    let made = session.add_all([1, 2].map(|id| Note {
        id,
        text: "a".to_owned(),
        ..Note::default()
    }));
    session.commit()?;
    let start = session[made[0]].made;
    assert!(start.0 > 0 && session[made[0]].changed == start && session[made[0]].gone.is_none());
    let later = |seconds| Seconds(start.0 + seconds);
    test.advance(Duration::from_secs(5));
    session.query::<Note, _>(notes::table)?;
    ground.done();
    session.edit(made[0])?.text.push('!');
    session.edit(made[1])?.text = "a".to_owned();
    session.flush()?;
    ground.expect_done(&["UPDATE notes SET text, changed WHERE id"]);
    assert_eq!((session[made[0]].made, session[made[0]].changed), (start, later(5)));
    assert_eq!(session[made[1]].changed, start);
    // A new object that takes over a row is a new one.
    test.advance(Duration::from_secs(5));
    session.delete(made[1])?;
    let new = session.add(Note {
        id: 2,
        text: "new".to_owned(),
        ..Note::default()
    });
    session.commit()?;
    assert_eq!(
        (session[new].made, session[new].changed, session[new].gone),
        (later(10), later(10), None)
    );
    // A mark is a write as well, and the object is gone as if its row were.
    test.advance(Duration::from_secs(5));
    session.delete(made[0])?;
    ground.done();
    session.commit()?;
    assert_eq!(
        ground.done().last().map(String::as_str),
        Some("UPDATE notes SET changed, gone WHERE id")
    );
    assert_eq!(session.get::<Note>(1)?, None);
    assert!(session.read(made[0]).unwrap_err().is_stale_entity());
    let rows: Vec<(i32, Option<Seconds>, Seconds)> = notes::table
        .order(notes::id)
        .select((notes::id, notes::gone, notes::changed))
        .load(&mut session)?;
    assert_eq!(rows, [(1, Some(later(15)), later(15)), (2, None, later(10))]);
    // Queries of the program's own see it, as a row.
    assert_eq!(session.query::<Note, _>(notes::table)?.len(), 2);
    Ok(())
}
