//! Keys: made by the client or by the database, changed, spelled otherwise.

use aludel::Flavour;
use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::C;
use super::batches::{Parcel, parcel, parcels};
use super::ground::{GENERATED, Ground};

diesel::table! { tags (name) { name -> Text, hits -> Nullable<Integer>, note -> Nullable<Text>, flag -> Bool, rate -> Double, } }
diesel::table! { uses (id) { id -> Integer, tag -> Text, } }
diesel::table! { shares (owner, stock) { owner -> Text, stock -> Text, pieces -> Integer, } }
diesel::table! { people (id) { id -> Integer, name -> Text, } }
diesel::table! { badges (person_id) { person_id -> Integer, color -> Text, } }
diesel::table! { tokens (id) { id -> Text, owner -> Text, } }
diesel::table! { codes (code) { code -> Text, version -> Integer, } }
diesel::table! { loose (number) { number -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = tags)]
struct Tag {
    #[model(key)]
    name: String,
    hits: Option<i32>,
    note: Option<String>,
    flag: bool,
    rate: f64,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = uses)]
struct Use {
    id: i32,
    #[model(belongs_to = Tag)]
    tag: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = shares)]
struct Share {
    pieces: i32,
    #[model(key)]
    owner: String,
    #[model(key)]
    #[diesel(column_name = stock)]
    name: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = people)]
struct Person {
    id: i32,
    name: String,
}

/// Its key is that of its person.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = badges)]
struct Badge {
    #[model(key, belongs_to = Person)]
    person_id: i32,
    color: String,
}

/// A key that is made by the database and no number.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = tokens)]
struct Token {
    #[model(generated)]
    id: String,
    owner: String,
}

/// A key that the database may spell otherwise.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = codes)]
struct Code {
    #[model(key)]
    code: String,
    #[model(version)]
    version: i32,
}

/// A table without a primary key.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = loose)]
struct Loose {
    #[model(key)]
    number: i32,
    text: String,
}

fn tag(name: &str) -> Tag {
    Tag {
        name: name.to_owned(),
        hits: Some(1),
        note: Some("note".to_owned()),
        ..Tag::default()
    }
}

fn share(owner: &str, stock: &str) -> Share {
    Share {
        pieces: 1,
        owner: owner.to_owned(),
        name: stock.to_owned(),
    }
}

fn natural(name: &str) -> Ground {
    let (token, code) = match C::FLAVOUR {
        Flavour::Sqlite => ("TEXT DEFAULT (hex(randomblob(16)))", "TEXT COLLATE NOCASE"),
        Flavour::MySql => ("VARCHAR(40) DEFAULT uuid()", "VARCHAR(10)"),
        _ => ("VARCHAR(40) DEFAULT gen_random_uuid()::text", "VARCHAR(10)"),
    };
    let double = if C::FLAVOUR == Flavour::PostgreSql {
        "DOUBLE PRECISION"
    } else {
        "DOUBLE"
    };
    let schema = format!(
        "CREATE TABLE tags (name VARCHAR(40) PRIMARY KEY, hits INTEGER, note VARCHAR(40), flag BOOLEAN NOT NULL, \
         rate {double} NOT NULL); \
         CREATE TABLE uses (id {GENERATED}, tag VARCHAR(40) NOT NULL, \
         FOREIGN KEY (tag) REFERENCES tags (name) ON UPDATE CASCADE); \
         CREATE TABLE shares (owner VARCHAR(40), stock VARCHAR(40), pieces INTEGER NOT NULL, PRIMARY KEY (owner, stock)); \
         CREATE TABLE people (id {GENERATED}, name VARCHAR(40) NOT NULL); \
         CREATE TABLE badges (person_id INTEGER PRIMARY KEY, color VARCHAR(40) NOT NULL, \
         FOREIGN KEY (person_id) REFERENCES people (id)); \
         CREATE TABLE tokens (id {token} PRIMARY KEY, owner VARCHAR(40) NOT NULL); \
         CREATE TABLE codes (code {code} PRIMARY KEY, version INTEGER NOT NULL); \
         CREATE TABLE loose (number INTEGER NOT NULL, text VARCHAR(40) NOT NULL);"
    );
    Ground::open(name, &schema)
}

#[test]
fn manual_pk() -> aludel::Result<()> {
    let ground = natural("keys_manual_pk");
    let mut session = ground.engine.session();
    let made = session.add_all(["a", "b"].map(tag));
    session.flush()?;
    assert_eq!(session.get::<Tag>("b")?, Some(made[1]));
    session.commit()?;
    ground.expect_done(&["INSERT tags (name, hits, note, flag, rate) x 2"]);
    Ok(())
}

#[test]
fn key_pks() -> aludel::Result<()> {
    let ground = natural("keys_key_pks");
    let mut session = ground.engine.session();
    let made = session.add_all([share("ann", "sap"), share("ann", "ibm")]);
    session.flush()?;
    assert_eq!(
        session.get::<Share>(("ann".to_owned(), "ibm".to_owned()))?,
        Some(made[1])
    );
    session.edit(made[0])?.pieces = 7;
    session.delete(made[1])?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT shares (owner, stock, pieces) x 2",
        "UPDATE shares SET pieces WHERE owner, stock",
        "DELETE shares WHERE owner, stock",
    ]);
    Ok(())
}

#[test]
fn foreign_pk_basic() -> aludel::Result<()> {
    let ground = natural("keys_foreign_pk");
    let mut session = ground.engine.session();
    let person = session.add(Person {
        id: 0,
        name: "Ann".to_owned(),
    });
    let badge = session.add_to(
        person,
        Badge {
            person_id: 0,
            color: "red".to_owned(),
        },
    )?;
    session.commit()?;
    ground.expect_done(&["INSERT people (name)", "INSERT badges (person_id, color)"]);
    let key = session[person].id;
    assert_eq!(session.get::<Badge>(key)?, Some(badge));
    assert_eq!(session.parent(badge, Badge::PERSON_ID)?, Some(person));
    Ok(())
}

/// No field holds an SQL expression: a statement beside the objects does, and they are read again.
#[test]
fn clause_update() -> aludel::Result<()> {
    let ground = natural("keys_clause_update");
    let mut session = ground.engine.session();
    let made = session.add_all(["a", "b", "c"].map(tag));
    session.flush()?;
    ground.done();
    session.edit(made[0])?.note = None;
    diesel::update(tags::table.filter(tags::name.ne("b")))
        .set(tags::hits.eq(tags::hits + 1))
        .execute(&mut session)?;
    session.edit(made[0])?.flag = true;
    let hits: Vec<_> = made
        .iter()
        .map(|&one| Ok(session.read(one)?.hits))
        .collect::<aludel::Result<_>>()?;
    assert_eq!(hits, [Some(2), Some(1), Some(2)]);
    session.commit()?;
    assert_eq!(session.read(made[0])?.note, None);
    let done = ground.done();
    // The edit is written before the statement, and each object is read once after it.
    assert_eq!(done[0], "UPDATE tags SET note WHERE name");
    assert_eq!(
        done.iter().filter(|line| *line == "SELECT tags WHERE name").count(),
        4,
        "{done:#?}"
    );
    Ok(())
}

#[test]
fn insert_pk_expression() -> aludel::Result<()> {
    let ground = natural("keys_insert_pk_expression");
    let mut session = ground.engine.session();
    let token = session.add(Token {
        id: String::new(),
        owner: "Ann".to_owned(),
    });
    if C::FLAVOUR == Flavour::MySql {
        let text = session.flush().expect_err("nobody is told the key").to_string();
        assert!(
            text.contains("no key for a row of Token") && text.contains("default = path"),
            "{text}"
        );
        return Ok(());
    }
    session.commit()?;
    let key = session[token].id.clone();
    assert!(key.len() >= 32, "{key}");
    assert_eq!(session.get::<Token>(key)?, Some(token));
    Ok(())
}

#[test]
fn row_switch_manytoone() -> aludel::Result<()> {
    let ground = natural("keys_row_switch");
    let mut session = ground.engine.session();
    let old = session.add(tag("a"));
    let kept = session.add_to(
        old,
        Use {
            id: 0,
            tag: String::new(),
        },
    )?;
    session.commit()?;
    session.read(old)?;
    let switch = |session: &mut Session<C>| -> aludel::Result<(Entity<Tag>, Entity<Use>)> {
        session.delete(old)?;
        let new = session.add(Tag {
            hits: Some(9),
            ..tag("a")
        });
        let child = session.add_to(
            new,
            Use {
                id: 0,
                tag: String::new(),
            },
        )?;
        ground.done();
        session.flush()?;
        ground.expect_done(&["UPDATE tags SET hits WHERE name", "INSERT uses (tag)"]);
        Ok((new, child))
    };
    let (new, child) = switch(&mut session)?;
    assert_eq!(session.children(new, Use::TAG)?, [kept, child]);
    session.rollback()?;
    assert!(session.read(new).unwrap_err().is_stale_entity());
    assert_eq!(session.read(old)?.hits, Some(1));
    assert_eq!(session.children(old, Use::TAG)?, [kept]);
    let (new, _) = switch(&mut session)?;
    session.commit()?;
    assert!(session.read(old).unwrap_err().is_stale_entity());
    assert_eq!(session.get::<Tag>("a")?, Some(new));
    assert_eq!(session.read(new)?.hits, Some(9));
    Ok(())
}

#[test]
fn set_none_replaces_scalar() -> aludel::Result<()> {
    let ground = natural("keys_switch_to_none");
    let mut session = ground.engine.session();
    let loaded = session.add(tag("a"));
    let expired = session.add(tag("b"));
    session.commit()?;
    session.read(loaded)?;
    ground.done();
    for (old, name) in [(loaded, "a"), (expired, "b")] {
        session.delete(old)?;
        session.add(Tag {
            name: name.to_owned(),
            ..Tag::default()
        });
    }
    session.commit()?;
    ground.expect_done(&[
        "SELECT tags WHERE name",
        "UPDATE tags SET hits, note WHERE name",
        "UPDATE tags SET hits, note WHERE name",
    ]);
    let rows: Vec<(Option<i32>, Option<String>)> = tags::table.select((tags::hits, tags::note)).load(&mut session)?;
    assert_eq!(rows, [(None, None), (None, None)]);
    Ok(())
}

#[test]
fn insert_multi_no_pk_correct_exception() -> aludel::Result<()> {
    let swallow = match C::FLAVOUR {
        Flavour::Sqlite => {
            "CREATE TRIGGER swallow BEFORE INSERT ON parcels WHEN NEW.label = 'parcel 2' BEGIN SELECT RAISE(IGNORE); END;"
        }
        // Nothing of MariaDB's can swallow a row.
        Flavour::MySql => return Ok(()),
        _ => {
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER swallow BEFORE INSERT ON parcels FOR EACH ROW WHEN (NEW.label = 'parcel 2') EXECUTE FUNCTION swallow();"
        }
    };
    let ground = parcels("keys_swallowed");
    ground.outside().batch_execute(swallow)?;
    for numbers in [2..=2, 1..=6] {
        let mut session = ground.engine.session();
        let made = session.add_all(numbers.map(parcel));
        let error = session.flush().expect_err("one of them is not there");
        assert!(
            error.to_string().contains("INSERT of 1 row of Parcel has written 0"),
            "{error}"
        );
        session.rollback()?;
        assert!(session.read(made[0]).unwrap_err().is_stale_entity());
    }
    Ok(())
}

#[test]
fn persistent_flush_sortable() -> aludel::Result<()> {
    let trigger = match C::FLAVOUR {
        Flavour::Sqlite => {
            "CREATE TRIGGER seen AFTER UPDATE ON parcels BEGIN INSERT INTO seen VALUES (NULL, NEW.id); END;"
        }
        Flavour::MySql => {
            "CREATE TRIGGER seen AFTER UPDATE ON parcels FOR EACH ROW INSERT INTO seen (parcel) VALUES (NEW.id);"
        }
        _ => {
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (parcel) VALUES (NEW.id); \
             RETURN NULL; END $$; CREATE TRIGGER seen AFTER UPDATE ON parcels FOR EACH ROW EXECUTE FUNCTION see();"
        }
    };
    let ground = parcels("keys_sorted");
    ground.outside().batch_execute(&format!(
        "CREATE TABLE seen (at {GENERATED}, parcel INTEGER); {trigger}"
    ))?;
    diesel::table! { seen (at) { at -> Integer, parcel -> Integer, } }
    let mut session = ground.engine.session();
    let made = session.add_all((1..=3).map(parcel));
    session.commit()?;
    session.query::<Parcel, _>(parcels::table)?;
    for at in [1, 2, 0] {
        session.edit(made[at])?.label.push('!');
    }
    session.commit()?;
    let order: Vec<i32> = seen::table
        .order(seen::at)
        .select(seen::parcel)
        .load(&mut *ground.outside())?;
    assert_eq!(order, [1, 2, 3]);
    Ok(())
}

/// What is set to what it is, is not written.
#[test]
fn boolean() -> aludel::Result<()> {
    let ground = natural("keys_boolean");
    let mut session = ground.engine.session();
    let one = session.add(Tag {
        flag: true,
        rate: 0.0,
        ..tag("a")
    });
    session.flush()?;
    ground.done();
    let value = session.edit(one)?;
    (value.flag, value.hits, value.note, value.rate) = (true, Some(1), Some("note".to_owned()), -0.0);
    assert!(session.changes(one)?.is_empty() && !session.is_modified(one));
    session.flush()?;
    session.edit(one)?.flag = false;
    session.edit(one)?.flag = true;
    session.flush()?;
    ground.expect_done(&[]);
    session.edit(one)?.flag = false;
    assert_eq!(session.changes(one)?, ["flag"]);
    session.commit()?;
    ground.expect_done(&["UPDATE tags SET flag WHERE name"]);
    Ok(())
}

#[test]
fn lazyattr_commit() -> aludel::Result<()> {
    let ground = natural("keys_lazyattr_commit");
    let mut session = ground.engine.session();
    let one = session.add(tag("a"));
    session.add_to(
        one,
        Use {
            id: 0,
            tag: String::new(),
        },
    )?;
    session.commit()?;
    ground.done();
    session.add_to(
        one,
        Use {
            id: 0,
            tag: String::new(),
        },
    )?;
    session.commit()?;
    ground.expect_done(&["INSERT uses (tag)"]);
    assert_eq!(session.children(one, Use::TAG)?.len(), 2);
    Ok(())
}

#[test]
fn d() -> aludel::Result<()> {
    let ground = natural("keys_no_primary_key");
    let mut session = ground.engine.session();
    let made = session.add_all([3, 4].map(|number| Loose {
        number,
        text: "a".to_owned(),
    }));
    session.commit()?;
    assert_eq!(session.get::<Loose>(4)?, Some(made[1]));
    session.edit(made[1])?.text.push('!');
    session.delete(made[0])?;
    session.commit()?;
    let rows: Vec<(i32, String)> = loose::table.load(&mut session)?;
    assert_eq!(rows, [(4, "a!".to_owned())]);
    Ok(())
}

#[test]
fn multiple_key_replaced_by_update() -> aludel::Result<()> {
    let ground = natural("keys_changed");
    let mut session = ground.engine.session();
    let one = session.add(tag("a"));
    let child = session.add_to(
        one,
        Use {
            id: 0,
            tag: String::new(),
        },
    )?;
    let held = session.add(share("ann", "sap"));
    session.commit()?;
    session.read(child)?;
    session.read(held)?;
    session.edit(one)?.name = "x".to_owned();
    session.edit(held)?.owner = "bob".to_owned();
    ground.done();
    session.flush()?;
    ground.expect_done(&[
        "UPDATE shares SET owner WHERE owner, stock",
        "UPDATE tags SET name WHERE name",
    ]);
    assert_eq!(session.get::<Tag>("x")?, Some(one));
    assert_eq!(session.get::<Share>(("bob".to_owned(), "sap".to_owned()))?, Some(held));
    ground.expect_done(&[]);
    assert_eq!(session.get::<Tag>("a")?, None);
    // The database has changed the child.
    assert_eq!(session.read(child)?.tag, "x");
    let freed = session.add(tag("a"));
    session.flush()?;
    session.rollback()?;
    assert!(session.read(freed).unwrap_err().is_stale_entity());
    assert_eq!(session.get::<Tag>("x")?, None);
    assert_eq!(session.get::<Tag>("a")?, Some(one));
    assert_eq!(session.get::<Share>(("ann".to_owned(), "sap".to_owned()))?, Some(held));
    assert_eq!(session.read(child)?.tag, "a");
    let undone: aludel::Result<()> = session.begin_nested(|nested| {
        nested.edit(one)?.name = "y".to_owned();
        nested.flush()?;
        assert_eq!(nested.get::<Tag>("y")?, Some(one));
        Err(aludel::Error::other("no"))
    });
    assert!(undone.is_err());
    assert_eq!(session.get::<Tag>("a")?, Some(one));
    session.edit(one)?.name = "z".to_owned();
    session.commit()?;
    assert_eq!(session.get::<Tag>("z")?, Some(one));
    Ok(())
}

/// A child that is given to a parent whose key changes in the same flush.
#[test]
fn a_child_follows_a_key_that_changes_in_the_same_flush() -> aludel::Result<()> {
    let ground = natural("keys_changed_with_child");
    let mut session = ground.engine.session();
    let (one, other) = (session.add(tag("a")), session.add(tag("b")));
    let child = session.add_to(
        other,
        Use {
            id: 0,
            tag: String::new(),
        },
    )?;
    session.flush()?;
    session.edit(one)?.name = "x".to_owned();
    session.set_parent(child, Use::TAG, one)?;
    session.commit()?;
    assert_eq!(session.read(child)?.tag, "x");
    Ok(())
}

/// A collation may know no case. (PostgreSQL's do: there both are spelled alike.)
#[test]
fn a_key_that_the_database_spells_otherwise_is_found() -> aludel::Result<()> {
    let ground = natural("keys_spelled");
    let (stored, asked) = match C::FLAVOUR {
        Flavour::PostgreSql => ("ANN", "ANN"),
        _ => ("Ann", "ANN"),
    };
    ground
        .outside()
        .batch_execute(&format!("INSERT INTO codes VALUES ('{stored}', 3)"))?;
    let mut session = ground.engine.session();
    let code = session.attach(Code {
        code: asked.to_owned(),
        version: 1,
    })?;
    session.expire(code)?;
    ground.done();
    session.delete(code)?;
    session.commit()?;
    assert_eq!(codes::table.count().get_result::<i64>(&mut session)?, 0);
    Ok(())
}
