//! What finds an object: queries that answer objects, fresh values, locks. The rest is in `tests/support/models/verbs.rs`.

use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::{Flavour, IsolationLevel, SessionFactory};
use aludel_tests::poll;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { notes (id) { id -> Integer, text -> Text, size -> Integer, } }
diesel::table! { pokes (id) { id -> Integer, text -> Text, } }
diesel::table! { accounts (id) { id -> Integer, balance -> Integer, version -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
    size: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i32,
    #[model(version)]
    version: i32,
}

/// Two notes, and a table whose trigger changes them where no session can see it.
fn notes_of(name: &str) -> Ground {
    let trigger = match C::FLAVOUR {
        Flavour::PostgreSql => {
            "CREATE FUNCTION poke() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             UPDATE notes SET text = NEW.text, size = size + 1; RETURN NULL; END $$; \
             CREATE TRIGGER poked AFTER INSERT ON pokes FOR EACH ROW EXECUTE FUNCTION poke();"
        }
        Flavour::MySql => {
            "CREATE TRIGGER poked AFTER INSERT ON pokes FOR EACH ROW UPDATE notes SET text = NEW.text, size = size + 1;"
        }
        _ => {
            "CREATE TRIGGER poked AFTER INSERT ON pokes BEGIN \
             UPDATE notes SET text = NEW.text, size = size + 1; END;"
        }
    };
    let schema = format!(
        "CREATE TABLE notes (id {GENERATED}, text VARCHAR(40) NOT NULL, size INTEGER NOT NULL); \
         CREATE TABLE pokes (id {GENERATED}, text VARCHAR(40) NOT NULL); \
         INSERT INTO notes (text, size) VALUES ('one', 1), ('two', 2); {trigger}"
    );
    Ground::open(name, &schema)
}

fn poke(session: &mut Session<C>, text: &str) -> QueryResult<usize> {
    diesel::insert_into(pokes::table)
        .values(pokes::text.eq(text))
        .execute(session)
}

#[test]
fn query() -> aludel::Result<()> {
    let ground = notes_of("query");
    let mut session = ground.engine.session();
    let two = session.get_one::<Note>(2)?;
    session.edit(two)?.text = "edited".to_owned();
    ground.sent();
    // In the order of the query, with the object that is there already, after what is pending was written.
    let found = session.query::<Note, _>(notes::table.order(notes::id.desc()))?;
    assert_eq!(found[0], two);
    assert_eq!(
        (session[found[0]].text.as_str(), session[found[1]].text.as_str()),
        ("edited", "one")
    );
    let sent = ground.sent();
    assert!(sent[0].starts_with("UPDATE notes") && sent.len() == 2, "{sent:?}");
    assert_eq!(
        sent[1],
        "SELECT notes.id, notes.text, notes.size FROM notes ORDER BY notes.id DESC"
    );
    assert_eq!(session.query::<Note, _>(notes::table.filter(notes::size.gt(7)))?, []);
    // A row that is loaded already is the same object, and sends nothing more.
    let small = session.query::<Note, _>(notes::table.filter(notes::size.lt(2)))?;
    ground.sent();
    assert_eq!(
        (small.as_slice(), session.get::<Note>(1)?),
        (&found[1..], Some(found[1]))
    );
    ground.expect_sent(&[]);
    session.assert_invariants();
    session.rollback()
}

#[test]
fn query_one() -> aludel::Result<()> {
    let ground = notes_of("query_one");
    let mut session = ground.engine.session();
    ground.sent();
    let last = session.query_one::<Note, _>(notes::table.order(notes::id.desc()))?;
    ground.expect_sent(&["SELECT notes.id, notes.text, notes.size FROM notes ORDER BY notes.id DESC LIMIT ?"]);
    assert_eq!(last.map(|note| session[note].id), Some(2));
    assert_eq!(
        session.query_one::<Note, _>(notes::table.filter(notes::size.gt(7)))?,
        None
    );
    Ok(())
}

/// What is loaded keeps its value under `query`, and takes the row's under `query_fresh`, unless it was edited.
#[test]
fn get_populate_existing() -> aludel::Result<()> {
    let ground = notes_of("populate_existing");
    let mut session = ground.engine.session();
    let (one, two) = (session.get_one::<Note>(1)?, session.get_one::<Note>(2)?);
    poke(&mut session, "poked")?;
    session.query::<Note, _>(notes::table)?;
    assert_eq!(session.read(one)?.text, "one", "nobody has told the session");
    session.query_fresh::<Note, _>(notes::table.find(1))?;
    assert_eq!(session.read(one)?.text, "poked");
    assert_eq!(session.read(two)?.text, "two");

    session.no_autoflush(|session| {
        session.edit(two)?.text = "edited".to_owned();
        let found = session.query_fresh::<Note, _>(notes::table.find(2))?;
        assert_eq!((found, session[two].text.as_str()), (vec![two], "edited"));
        Ok::<_, aludel::Error>(())
    })?;
    session.flush()?;
    let row: Note = notes::table.find(2).select(Note::as_select()).first(&mut session)?;
    assert_eq!(
        (row.text.as_str(), row.size),
        ("edited", 3),
        "the UPDATE named what was changed"
    );
    session.refresh(two)?;
    assert_eq!(session[two], row);
    session.assert_invariants();
    session.rollback()
}

/// Typed statements of Diesel's take part in the session's transaction.
#[test]
fn dml_execute() -> aludel::Result<()> {
    let ground = notes_of("dml_execute");
    let mut session = ground.engine.session();
    let insert = diesel::insert_into(notes::table).values((notes::text.eq("three"), notes::size.eq(3)));
    assert_eq!(insert.execute(&mut session)?, 1);
    assert!(session.in_transaction());
    let three = session.get_one::<Note>(3)?;
    diesel::update(notes::table)
        .set(notes::size.eq(notes::size + 10))
        .execute(&mut session)?;
    assert_eq!(session.read(three)?.size, 13);
    diesel::delete(notes::table.find(3)).execute(&mut session)?;
    assert!(session.read(three).unwrap_err().is_not_found());
    session.rollback()?;
    let sizes: Vec<i32> = notes::table.select(notes::size).order(notes::id).load(&mut session)?;
    assert_eq!(sizes, [1, 2]);
    Ok(())
}

#[test]
fn prebuffered_result_session_is_closed() -> aludel::Result<()> {
    let ground = notes_of("prebuffered");
    let mut session = ground.engine.session();
    let rows: Vec<Note> = notes::table.select(Note::as_select()).load(&mut session)?;
    session.close()?;
    assert_eq!(rows.len(), 2);
    Ok(())
}

/// One account, on an engine whose sessions see what others commit.
fn account_of(name: &str) -> (Ground, SessionFactory<C>) {
    let schema = format!(
        "CREATE TABLE accounts (id {GENERATED}, balance INTEGER NOT NULL, version INTEGER NOT NULL); \
         INSERT INTO accounts (balance, version) VALUES (5, 1);"
    );
    let ground = Ground::open(name, &schema);
    let factory = SessionFactory::new(&ground.engine);
    let factory = match C::FLAVOUR {
        Flavour::Sqlite => factory,
        _ => factory.isolation_level(IsolationLevel::ReadCommitted),
    };
    (ground, factory)
}

/// A version that another session has counted up since it was read is a conflict, and no swapped value.
#[test]
fn versioncheck_for_update() -> aludel::Result<()> {
    let (ground, factory) = account_of("versioncheck");
    let mut session = factory.session();
    let account = session.get_one::<Account>(1)?;
    let written = ground
        .outside()
        .batch_execute("UPDATE accounts SET balance = 6, version = 2 WHERE id = 1");
    if C::FLAVOUR == Flavour::Sqlite && written.is_err() {
        // The file is locked for as long as this transaction has read it, so nobody can be in between.
        assert_eq!(session.get_for_update::<Account>(1)?, Some(account));
        return session.rollback();
    }
    written?;
    if C::FLAVOUR == Flavour::Sqlite {
        // Its snapshot is that of the first read, and nothing can be locked in it.
        return session.rollback();
    }
    let conflict = session.get_for_update::<Account>(1).expect_err("it was counted up");
    assert!(conflict.is_version_conflict(), "{conflict}");
    let text = conflict.to_string();
    assert!(
        text.contains("Account 1") && text.contains("expected version 1, found 2"),
        "{text}"
    );
    assert_eq!(session[account].balance, 5);
    // `noversioncheck`: who gives up what was read takes what there is.
    session.expire(account)?;
    assert_eq!(session.get_for_update::<Account>(1)?, Some(account));
    assert_eq!((session[account].balance, session[account].version), (6, 2));
    session.assert_invariants();
    session.rollback()
}

/// The row is locked until the transaction ends: a second session waits for it.
#[test]
fn get_for_update_waits() -> aludel::Result<()> {
    let (ground, factory) = account_of("waits");
    if C::FLAVOUR == Flavour::Sqlite {
        return Ok(()); // there the file is the lock: tests/session/waiting.rs
    }
    let mut first = factory.session();
    let account = first.get_for_update::<Account>(1)?.expect("it is there");
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut second = factory.session();
            let account = second.get_for_update::<Account>(1)?.expect("it is there");
            second.edit(account)?.balance += 1;
            second.commit()?;
            Ok::<_, aludel::Error>(second.read(account)?.balance)
        });
        let waiting = match C::FLAVOUR {
            Flavour::MySql => {
                "SELECT COUNT(*) AS count FROM information_schema.processlist \
                 WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%accounts%FOR UPDATE'"
            }
            _ => {
                "SELECT COUNT(*) AS count FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%accounts%'"
            }
        };
        let mut outside = ground.outside();
        poll::until("the second one waits", Duration::from_secs(20), || {
            let found: Count = diesel::sql_query(waiting)
                .get_result(&mut *outside)
                .expect("it may be asked");
            (found.count == 1).then_some(())
        });
        first.edit(account)?.balance += 10;
        first.commit()?;
        let balance = second.join().expect("no assertion of its own");
        assert_eq!(balance?, 16);
        Ok(())
    })
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}
