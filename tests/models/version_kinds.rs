//! Versions that are no counters: made by a function, by the database, by the program.

use std::sync::atomic::{AtomicU32, Ordering};

use aludel::Flavour;
use aludel::prelude::*;
use diesel::backend::Backend;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::Text;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { docs (id) { id -> Integer, text -> Text, version -> Text, } }
diesel::table! { served (id) { id -> Integer, text -> Text, version -> Integer, } }

/// Text in the table, a type of the program's own in the struct.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
struct Etag(String);

impl<DB: Backend> ToSql<Text, DB> for Etag
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.as_str().to_sql(out)
    }
}

impl<DB: Backend> FromSql<Text, DB> for Etag
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        String::from_sql(bytes).map(Self)
    }
}

static MADE: AtomicU32 = AtomicU32::new(0);

/// As good as a UUID; what it was made from stands in it.
fn next_etag(last: Option<&Etag>) -> Etag {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let from = last.map_or("nothing", |last| last.0.split('-').next().unwrap_or_default());
    Etag(format!("{number}-after-{from}"))
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = docs)]
struct Doc {
    #[model(assigned)]
    id: i32,
    text: String,
    #[model(version = next_etag)]
    version: Etag,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = served)]
struct Served {
    id: i32,
    text: String,
    #[model(version(server))]
    version: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = served)]
struct Manual {
    id: i32,
    text: String,
    #[model(version(manual))]
    version: i32,
}

fn doc(id: i32, text: &str) -> Doc {
    Doc {
        id,
        text: text.to_owned(),
        ..Doc::default()
    }
}

fn served(text: &str) -> Served {
    Served {
        text: text.to_owned(),
        ..Served::default()
    }
}

fn ground(name: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE docs (id INTEGER PRIMARY KEY, text VARCHAR(40) NOT NULL, version VARCHAR(40) NOT NULL); \
         CREATE TABLE served (id {GENERATED}, text VARCHAR(40) NOT NULL, version INTEGER NOT NULL DEFAULT 0);"
    );
    Ground::open(name, &schema)
}

/// The same, and the versions of `served` are counted by the database: 10, 20, 30.
fn counting_ground(name: &str) -> aludel::Result<Ground> {
    let ground = ground(name);
    ground.outside().batch_execute(match C::FLAVOUR {
        Flavour::Sqlite => {
            "CREATE TRIGGER first AFTER INSERT ON served BEGIN UPDATE served SET version = 10 WHERE id = NEW.id; END; \
             CREATE TRIGGER next AFTER UPDATE OF text ON served BEGIN \
             UPDATE served SET version = OLD.version + 10 WHERE id = NEW.id; END;"
        }
        Flavour::MySql => {
            "CREATE TRIGGER first_version BEFORE INSERT ON served FOR EACH ROW SET NEW.version = 10; \
             CREATE TRIGGER next_version BEFORE UPDATE ON served FOR EACH ROW SET NEW.version = OLD.version + 10;"
        }
        _ => {
            "CREATE FUNCTION count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF TG_OP = 'INSERT' THEN NEW.version := 10; ELSE NEW.version := OLD.version + 10; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER counted BEFORE INSERT OR UPDATE ON served FOR EACH ROW EXECUTE FUNCTION count();"
        }
    })?;
    Ok(ground)
}

/// A version of a type of its own, which is compared as any.
#[test]
fn column_type_update() -> aludel::Result<()> {
    let ground = ground("kinds_column_type");
    let mut session = ground.engine.session();
    let made = session.add_all((1..=4).map(|id| doc(id, "a")));
    session.flush()?;
    let first = session[made[0]].version.clone();
    assert!(first.0.ends_with("-after-nothing"), "{first:?}");
    for &one in &made {
        session.edit(one)?.text.push('!');
    }
    session.commit()?;
    ground.expect_done(&[
        "INSERT docs (id, text, version) x 4",
        "UPDATE docs SET text, version WHERE id, version x 4",
    ]);
    let second = session[made[0]].version.clone();
    assert!(
        second
            .0
            .ends_with(&format!("-after-{}", first.0.split('-').next().unwrap_or_default())),
        "{second:?}"
    );
    let mut late = ground.engine.session();
    let old = late.attach(Doc {
        version: first,
        ..doc(1, "a")
    })?;
    late.edit(old)?.text.push('?');
    let error = late.commit().expect_err("somebody was faster");
    assert!(
        error.is_version_conflict() && error.to_string().contains("Doc 1 was changed by somebody else"),
        "{error}"
    );
    Ok(())
}

/// A row that is deleted and inserted again with its key is another one: such a version tells.
#[test]
fn child_row_switch_one() -> aludel::Result<()> {
    let ground = ground("kinds_row_switch");
    let mut session = ground.engine.session();
    let one = session.add(doc(1, "a"));
    session.flush()?;
    let first = session[one].version.clone();
    session.delete(one)?;
    let new = session.add(doc(1, "b"));
    session.commit()?;
    ground.expect_done(&[
        "INSERT docs (id, text, version)",
        "UPDATE docs SET text, version WHERE id, version",
    ]);
    assert_ne!(session[new].version, first);
    ground
        .outside()
        .batch_execute("DELETE FROM docs; INSERT INTO docs VALUES (1, 'b', 'theirs')")?;
    let kept = session[new].clone();
    let mut late = ground.engine.session();
    let old = late.attach(kept)?;
    late.edit(old)?.text.push('?');
    let error = late.commit().expect_err("it is another row");
    assert!(
        error.is_version_conflict() && error.to_string().contains("theirs"),
        "{error}"
    );
    Ok(())
}

#[test]
fn insert_col() -> aludel::Result<()> {
    let ground = counting_ground("kinds_server_insert")?;
    let mut session = ground.engine.session();
    let one = session.add(served("a"));
    session.flush()?;
    ground.expect_done(&["INSERT served (text)", "SELECT served WHERE id"]);
    assert_eq!(session[one].version, 10);
    session.commit()
}

#[test]
fn multi_update() -> aludel::Result<()> {
    let ground = counting_ground("kinds_server_update")?;
    let mut session = ground.engine.session();
    let made = session.add_all((0..5).map(|number| served(&number.to_string())));
    session.flush()?;
    session.edit(made[2])?.text.push('!');
    session.flush()?;
    assert_eq!(session[made[2]].version, 20);
    ground.done();
    for &one in &made {
        session.edit(one)?.text.push('?');
    }
    session.flush()?;
    ground.expect_done(&[
        "UPDATE served SET text WHERE id, version x 5",
        "SELECT served WHERE id x 5",
    ]);
    let versions: Vec<i32> = made.iter().map(|&one| session[one].version).collect();
    assert_eq!(versions, [20, 20, 30, 20, 20]);
    session.commit()
}

#[test]
fn delete_col() -> aludel::Result<()> {
    let ground = counting_ground("kinds_server_delete")?;
    let mut session = ground.engine.session();
    let one = session.add(served("a"));
    session.flush()?;
    ground.done();
    session.delete(one)?;
    session.commit()?;
    ground.expect_done(&["DELETE served WHERE id AND version"]);
    Ok(())
}

#[test]
fn concurrent_mod_err_noexpire_on_commit() -> aludel::Result<()> {
    let ground = counting_ground("kinds_server_kept")?;
    let mut session = aludel::SessionFactory::new(&ground.engine)
        .expire_on_commit(false)
        .session();
    let one = session.add(served("a"));
    session.commit()?;
    ground.outside().batch_execute("UPDATE served SET text = 'theirs'")?;
    session.edit(one)?.text.push('!');
    let error = session.commit().expect_err("somebody was faster");
    assert!(error.is_version_conflict(), "{error}");
    assert!(
        error
            .to_string()
            .contains("Served 1 was changed by somebody else: expected version 10, found 20"),
        "{error}"
    );
    Ok(())
}

/// It is written as it is, and compared with what was loaded.
#[test]
fn manual_update_concurrent_check() -> aludel::Result<()> {
    let ground = ground("kinds_manual");
    let mut session = ground.engine.session();
    let one = session.add(Manual {
        text: "a".to_owned(),
        version: 5,
        ..Manual::default()
    });
    session.commit()?;
    session.edit(one)?.text.push('!');
    session.flush()?;
    assert_eq!(session[one].version, 5);
    session.edit(one)?.version = 9;
    session.commit()?;
    ground.expect_done(&[
        "INSERT served (text, version)",
        "SELECT served WHERE id",
        "UPDATE served SET text WHERE id, version",
        "UPDATE served SET version WHERE id, version",
    ]);
    let mut late = ground.engine.session();
    let old = late.attach(Manual {
        id: 1,
        text: "a".to_owned(),
        version: 5,
    })?;
    late.edit(old)?.version = 12;
    let error = late.commit().expect_err("somebody was faster");
    assert!(
        error.is_version_conflict() && error.to_string().contains("expected version 5, found 9"),
        "{error}"
    );
    Ok(())
}
