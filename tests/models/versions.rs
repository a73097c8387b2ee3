//! Versions: what a row was when it was read must still hold when it is written.

use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { foos (id) { id -> Integer, value -> Text, version -> Integer, } }
diesel::table! { bars (id) { id -> Integer, foo_id -> Nullable<Integer>, value -> Text, version -> Integer, } }
diesel::table! { odd (id) { id -> Integer, value -> Text, #[sql_name = "?v%%:d"] version -> Integer, } }
diesel::table! { plain (id) { id -> Integer, value -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = foos)]
struct Foo {
    id: i32,
    value: String,
    #[model(version)]
    version: i32,
}

/// A child of it, with a version of its own.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = bars)]
struct Bar {
    id: i32,
    #[model(belongs_to = Foo)]
    foo_id: Option<i32>,
    value: String,
    #[model(version)]
    version: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = odd)]
struct Odd {
    id: i32,
    value: String,
    #[model(version)]
    version: i32,
}

/// Without one.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = plain)]
struct Plain {
    id: i32,
    value: String,
}

fn foo(value: &str) -> Foo {
    Foo {
        id: 0,
        value: value.to_owned(),
        version: 0,
    }
}

fn bar(value: &str) -> Bar {
    Bar {
        id: 0,
        foo_id: None,
        value: value.to_owned(),
        version: 0,
    }
}

fn ground(name: &str) -> Ground {
    let odd = match C::FLAVOUR {
        aludel::Flavour::MySql => "`?v%%:d`",
        _ => "\"?v%%:d\"",
    };
    let schema = format!(
        "CREATE TABLE foos (id {GENERATED}, value VARCHAR(40) NOT NULL, version INTEGER NOT NULL); \
         CREATE TABLE bars (id {GENERATED}, foo_id INTEGER, value VARCHAR(40) NOT NULL, version INTEGER NOT NULL, \
         FOREIGN KEY (foo_id) REFERENCES foos (id)); \
         CREATE TABLE odd (id {GENERATED}, value VARCHAR(40) NOT NULL, {odd} INTEGER NOT NULL); \
         CREATE TABLE plain (id {GENERATED}, value VARCHAR(40) NOT NULL);"
    );
    Ground::open(name, &schema)
}

type Session = aludel::Session<C>;

/// Objects with these values, committed, and nothing of it counted.
fn foos(ground: &Ground, session: &mut Session, values: &[&str]) -> aludel::Result<Vec<Entity<Foo>>> {
    let made = session.add_all(values.iter().map(|value| foo(value)));
    session.commit()?;
    ground.done();
    Ok(made)
}

fn versions(session: &mut Session) -> aludel::Result<Vec<(String, i32)>> {
    Ok(foos::table
        .order(foos::id)
        .select((foos::value, foos::version))
        .load(session)?)
}

#[test]
fn multiple_updates() -> aludel::Result<()> {
    let ground = ground("versions_multiple_updates");
    let mut session = ground.engine.session();
    let made = foos(&ground, &mut session, &["a", "b", "c", "d"])?;
    let of = |session: &Session| made.iter().map(|&one| session[one].version).collect::<Vec<_>>();
    assert_eq!(of(&session), [1; 4]);
    session.query::<Foo, _>(foos::table)?;
    for round in 2..=3 {
        for &one in &made {
            session.edit(one)?.value.push('!');
        }
        session.flush()?;
        assert_eq!(of(&session), [round; 4]);
    }
    assert_eq!(
        ground
            .done()
            .iter()
            .filter(|line| *line == "UPDATE foos SET value, version WHERE id, version x 4")
            .count(),
        2
    );
    session.commit()?;
    assert!(versions(&mut session)?.iter().all(|row| row.1 == 3));
    session.commit()?;

    // Somebody who believes in the first versions.
    let mut late = ground.engine.session();
    let old: Vec<_> = (1..=4)
        .map(|id| {
            late.attach(Foo {
                id,
                value: "old".to_owned(),
                version: if id == 3 { 1 } else { 3 },
            })
        })
        .collect::<aludel::Result<_>>()?;
    for &one in &old {
        late.edit(one)?.value.push('?');
    }
    let error = late.commit().expect_err("one of them is old");
    assert!(error.is_version_conflict() && error.is_retryable(), "{error}");
    assert!(
        error
            .to_string()
            .contains("Foo 3 was changed by somebody else: expected version 1, found 3"),
        "{error}"
    );
    let gone = late.attach(Foo {
        id: 9,
        value: "old".to_owned(),
        version: 1,
    })?;
    late.edit(gone)?.value.push('?');
    let error = late.commit().expect_err("there is no such row");
    assert!(
        error
            .to_string()
            .contains("Foo 9 was deleted by somebody else: expected version 1, found none"),
        "{error}"
    );
    let old = late.attach(Foo {
        id: 2,
        value: "old".to_owned(),
        version: 2,
    });
    let old = match old {
        Ok(old) => old,
        // The rollback has kept the object.
        Err(_) => {
            late.expunge_all();
            late.attach(Foo {
                id: 2,
                value: "old".to_owned(),
                version: 2,
            })?
        }
    };
    late.edit(old)?;
    late.delete(old)?;
    let error = late.commit().expect_err("it is old");
    assert!(
        error.is_version_conflict()
            && error
                .to_string()
                .contains("Foo 2 was changed by somebody else: expected version 2, found 3"),
        "{error}"
    );
    assert_eq!(versions(&mut session)?.len(), 4);
    Ok(())
}

#[test]
fn bulk_insert() -> aludel::Result<()> {
    let ground = ground("versions_bulk_insert");
    let mut session = ground.engine.session();
    let made = session.add_all((0..20).map(|number| foo(&number.to_string())));
    session.flush()?;
    ground.expect_done(&["INSERT foos (value, version) x 20"]);
    assert!(made.iter().all(|&one| session[one].version == 1));
    session.commit()
}

#[test]
fn bump_version() -> aludel::Result<()> {
    let ground = ground("versions_bump");
    let mut session = ground.engine.session();
    let one = foos(&ground, &mut session, &["a"])?[0];
    session.edit(one)?.version = 7;
    session.flush()?;
    ground.expect_done(&["SELECT foos WHERE id", "UPDATE foos SET version WHERE id, version"]);
    session.edit(one)?.value.push('!');
    session.flush()?;
    session.edit(one)?.value.push('!');
    session.edit(one)?.version = 20;
    session.commit()?;
    assert_eq!(versions(&mut session)?, [("a!!".to_owned(), 20)]);
    Ok(())
}

/// A statement beside the objects counts no version; what was loaded is read again.
#[test]
fn bulk_update() -> aludel::Result<()> {
    let ground = ground("versions_bulk_update");
    let mut session = ground.engine.session();
    let made = foos(&ground, &mut session, &["a", "b"])?;
    session.read(made[0])?;
    diesel::update(foos::table)
        .set(foos::version.eq(foos::version + 10))
        .execute(&mut session)?;
    session.edit(made[0])?.value.push('!');
    session.delete(made[1])?;
    session.commit()?;
    assert_eq!(versions(&mut session)?, [("a!".to_owned(), 12)]);
    Ok(())
}

#[test]
fn versioncheck_not_versioned() -> aludel::Result<()> {
    let ground = ground("versions_for_update_plain");
    let mut session = ground.engine.session();
    let one = session.add(Plain {
        id: 0,
        value: "a".to_owned(),
    });
    session.commit()?;
    ground.outside().batch_execute("UPDATE plain SET value = 'b'")?;
    assert_eq!(session.get_for_update::<Plain>(1)?, Some(one));
    assert_eq!(session[one].value, "b");
    Ok(())
}

/// What another session has changed since this transaction has read it.
#[test]
fn versioncheck_for_update() -> aludel::Result<()> {
    let ground = ground("versions_for_update");
    let mut session = ground.engine.session();
    let made = foos(&ground, &mut session, &["a", "b"])?;
    session.expunge(made[0])?;
    session.read(made[1])?;
    // As it was when it was read; on SQLite nobody else can write in between.
    let old = session.attach(Foo {
        id: 1,
        value: "a".to_owned(),
        version: 8,
    })?;
    let error = session.get_for_update::<Foo>(1).expect_err("it has another version");
    assert!(error.is_version_conflict(), "{error}");
    assert!(
        error
            .to_string()
            .contains("Foo 1 was changed by somebody else: expected version 8, found 1"),
        "{error}"
    );
    session.rollback()?;
    assert_eq!(session.get_for_update::<Foo>(1)?, Some(old));
    assert_eq!(session[old].version, 1);
    Ok(())
}

#[test]
fn noversioncheck() -> aludel::Result<()> {
    let ground = ground("versions_noversioncheck");
    let mut session = ground.engine.session();
    let one = foos(&ground, &mut session, &["a"])?[0];
    ground
        .outside()
        .batch_execute("UPDATE foos SET version = 5, value = 'b'")?;
    session.expire(one)?;
    assert_eq!(session.get_for_update::<Foo>(1)?, Some(one));
    assert_eq!((session[one].value.as_str(), session[one].version), ("b", 5));
    session.rollback()?;
    ground
        .outside()
        .batch_execute("UPDATE foos SET version = 6, value = 'c'")?;
    session.query_fresh::<Foo, _>(foos::table)?;
    assert_eq!((session[one].value.as_str(), session[one].version), ("c", 6));
    Ok(())
}

/// Who has which parent is the child's affair.
#[test]
fn o2m_plain() -> aludel::Result<()> {
    let ground = ground("versions_o2m_plain");
    let mut session = ground.engine.session();
    let made = foos(&ground, &mut session, &["a", "b"])?;
    let child = session.add_to(made[0], bar("x"))?;
    session.flush()?;
    session.set_parent(child, Bar::FOO_ID, made[1])?;
    session.edit(child)?.value.push('!');
    session.flush()?;
    let second = session.add_to(made[1], bar("y"))?;
    session.flush()?;
    session.delete(second)?;
    session.commit()?;
    assert_eq!(
        ground.done(),
        [
            "INSERT bars (foo_id, value, version)",
            "UPDATE bars SET foo_id, value, version WHERE id, version",
            "INSERT bars (foo_id, value, version)",
            "DELETE bars WHERE id AND version",
        ],
    );
    assert_eq!(session.read(child)?.version, 2);
    assert!(versions(&mut session)?.iter().all(|row| row.1 == 1));
    Ok(())
}

#[test]
fn m2o_plain() -> aludel::Result<()> {
    let ground = ground("versions_m2o_plain");
    let mut session = ground.engine.session();
    let child = session.add(bar("x"));
    session.flush()?;
    let parent = session.add(foo("a"));
    session.set_parent(child, Bar::FOO_ID, parent)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT bars (foo_id, value, version)",
        "INSERT foos (value, version)",
        "UPDATE bars SET foo_id, version WHERE id, version",
    ]);
    assert_eq!((session[child].version, session[parent].version), (2, 1));
    Ok(())
}

/// A row that a new object takes over: its version goes on.
#[test]
fn child_row_switch() -> aludel::Result<()> {
    let ground = ground("versions_row_switch");
    let mut session = ground.engine.session();
    let old = foos(&ground, &mut session, &["a"])?[0];
    session.edit(old)?.value.push('!');
    session.commit()?;
    session.delete(old)?;
    let new = session.add(Foo {
        id: 1,
        value: "new".to_owned(),
        version: 0,
    });
    ground.done();
    session.commit()?;
    ground.expect_done(&[
        "SELECT foos WHERE id",
        "UPDATE foos SET value, version WHERE id, version",
    ]);
    assert_eq!(session[new].version, 3);
    // One that is given wins.
    session.delete(new)?;
    session.add(Foo {
        id: 1,
        value: "third".to_owned(),
        version: 9,
    });
    session.commit()?;
    assert_eq!(versions(&mut session)?, [("third".to_owned(), 9)]);
    session.commit()?;
    // The row is compared with the one that was read.
    let mut late = ground.engine.session();
    let old = late.attach(Foo {
        id: 1,
        value: "third".to_owned(),
        version: 8,
    })?;
    late.edit(old)?;
    late.delete(old)?;
    late.add(Foo {
        id: 1,
        value: "fourth".to_owned(),
        version: 0,
    });
    let error = late.commit().expect_err("the row has another version");
    assert!(
        error.is_version_conflict() && error.to_string().contains("expected version 8, found 9"),
        "{error}"
    );
    Ok(())
}

#[test]
fn round_trip() -> aludel::Result<()> {
    let ground = ground("versions_odd_name");
    let mut session = ground.engine.session();
    let made = session.add_all(["a", "b", "c", "d", "e"].map(|value| Odd {
        id: 0,
        value: value.to_owned(),
        version: 0,
    }));
    session.commit()?;
    session.edit(made[0])?.value.push('!');
    session.flush()?;
    for &one in &made {
        session.edit(one)?.value.push('!');
    }
    session.commit()?;
    assert_eq!((session[made[0]].version, session[made[4]].version), (3, 2));
    session.delete_all(made)?;
    session.commit()?;
    let mut late = ground.engine.session();
    let old = late.attach(Odd {
        id: 1,
        value: "a".to_owned(),
        version: 1,
    })?;
    late.edit(old)?.value.push('!');
    assert!(late.commit().expect_err("it is gone").is_version_conflict());
    Ok(())
}

#[test]
fn explicit() -> aludel::Result<()> {
    let ground = ground("versions_expired");
    let mut session = ground.engine.session();
    let one = foos(&ground, &mut session, &["a"])?[0];
    ground.outside().batch_execute("UPDATE foos SET version = 5")?;
    session.expire_all();
    session.edit(one)?.version = 8;
    session.commit()?;
    ground.expect_done(&["SELECT foos WHERE id", "UPDATE foos SET version WHERE id, version"]);
    assert_eq!(versions(&mut session)?, [("a".to_owned(), 8)]);
    Ok(())
}

#[test]
fn merge_versions() -> aludel::Result<()> {
    let ground = ground("versions_merge");
    let mut session = ground.engine.session();
    let one = foos(&ground, &mut session, &["a"])?[0];
    // With the version that is there.
    assert_eq!(
        session.merge(Foo {
            id: 1,
            value: "b".to_owned(),
            version: 1
        })?,
        one
    );
    session.commit()?;
    // With none: the latest.
    session.merge(Foo {
        id: 1,
        value: "c".to_owned(),
        version: 0,
    })?;
    session.commit()?;
    assert_eq!(versions(&mut session)?, [("c".to_owned(), 3)]);
    // With an old one.
    let error = session
        .merge(Foo {
            id: 1,
            value: "d".to_owned(),
            version: 1,
        })
        .expect_err("it is old");
    assert!(
        error.is_version_conflict() && error.to_string().contains("expected version 1, found 3"),
        "{error}"
    );
    Ok(())
}
