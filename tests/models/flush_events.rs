//! Hooks before a flush, and what listeners are told of objects.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aludel::prelude::*;
use aludel::{SessionEvent, SessionFactory};
use aludel_tests::EventLog;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    text: String,
}

fn note(text: &str) -> Note {
    Note {
        id: 0,
        text: text.to_owned(),
    }
}

/// Two notes, of numbers 1 and 2.
fn notes_of(name: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE notes (id {GENERATED}, text VARCHAR(40) NOT NULL); \
         INSERT INTO notes (text) VALUES ('one'), ('two');"
    );
    Ground::open(name, &schema)
}

fn texts(session: &mut Session<C>) -> aludel::Result<Vec<String>> {
    Ok(notes::table.select(notes::text).order(notes::id).load(session)?)
}

/// The verb of each statement that was sent.
fn verbs(ground: &Ground) -> Vec<String> {
    let verb = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
    ground.sent().into_iter().map(verb).collect()
}

#[test]
fn before_flush_affects_dirty() -> aludel::Result<()> {
    let ground = notes_of("affects_dirty");
    let mut session = ground.engine.session();
    session.before_flush(|session| {
        let (one, two) = (session.get_one::<Note>(1)?, session.get_one::<Note>(2)?);
        session.edit(one)?.text = "edited".to_owned();
        session.delete(two)?;
        session.add(note("added by the hook"));
        // Nothing is flushed for a query inside.
        assert_eq!(texts(session)?, ["one", "two"]);
        Ok(())
    });
    session.add(note("added"));
    ground.sent();
    session.commit()?;
    assert_eq!(
        verbs(&ground),
        ["SELECT", "SELECT", "SELECT", "UPDATE", "INSERT", "INSERT", "DELETE"]
    );
    assert_eq!(texts(&mut session)?, ["edited", "added", "added by the hook"]);
    session.assert_invariants();
    Ok(())
}

#[test]
fn autobegin_within_flush() -> aludel::Result<()> {
    let ground = notes_of("within_flush");
    let mut session = ground.engine.session();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    session.before_flush(move |session| {
        counter.fetch_add(1, Ordering::Relaxed);
        assert!(session.in_transaction());
        texts(session).map(drop)
    });
    session.flush()?;
    session.commit()?;
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert!(!session.in_transaction());
    session.add(note("three"));
    session.flush()?;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    session.rollback()
}

/// A hook runs again for what another has done, and not for its own.
#[test]
fn hooks_run_until_there_is_nothing_new() -> aludel::Result<()> {
    let ground = notes_of("rounds");
    let log = EventLog::new();
    let (first, second) = (log.clone(), log.clone());
    let factory = SessionFactory::new(&ground.engine).before_flush(move |session| {
        first.push(format!("factory sees {}", session.pending::<Note>().len()));
        Ok(())
    });
    let mut session = factory.session();
    session.before_flush(move |session| {
        second.push("session adds".to_owned());
        session.add(note("by the hook"));
        Ok(())
    });
    session.add(note("three"));
    session.flush()?;
    assert_eq!(log.take(), ["factory sees 1", "session adds", "factory sees 2"]);
    Ok(())
}

#[test]
fn hooks_that_answer_each_other() -> aludel::Result<()> {
    let ground = notes_of("answer");
    let mut session = ground.engine.session();
    for _ in 0..2 {
        session.before_flush(|session| {
            session.add(note("another"));
            Ok(())
        });
    }
    session.add(note("three"));
    ground.sent();
    let error = session.flush().expect_err("it never ends");
    assert!(error.to_string().contains("100 times"), "{error}");
    assert_eq!(ground.sent(), [""; 0]);
    session.rollback()?;
    assert_eq!(session.objects().len(), 0);
    Ok(())
}

#[test]
fn a_hook_that_fails() -> aludel::Result<()> {
    let ground = notes_of("fails");
    let factory = SessionFactory::new(&ground.engine).before_flush(|_| Err(aludel::Error::other("not today")));
    let error = factory
        .begin(|session| Ok(session.add(note("three"))))
        .expect_err("the hook says so");
    assert!(error.to_string().starts_with("not today"), "{error}");
    assert_eq!(ground.sent(), [""; 0]);
    assert_eq!(texts(&mut ground.engine.session())?, ["one", "two"]);

    let mut session = factory.session();
    session.add(note("three"));
    let by_a_query = texts(&mut session).expect_err("the query flushes");
    assert!(by_a_query.to_string().contains("not today"), "{by_a_query}");
    assert!(session.is_doomed());
    session.rollback()
}

#[test]
fn a_hook_that_panics() -> aludel::Result<()> {
    let ground = notes_of("panics");
    let mut session = ground.engine.session();
    session.before_flush(|_| panic!("in the hook"));
    session.add(note("three"));
    let panic = catch_unwind(AssertUnwindSafe(|| session.flush()));
    assert!(panic.is_err());
    assert!(session.commit().is_err());
    session.rollback()?;
    assert_eq!(texts(&mut session)?, ["one", "two"]);
    Ok(())
}

#[test]
fn reentrant_flush() -> aludel::Result<()> {
    let ground = notes_of("reentrant");
    let mut session = ground.engine.session();
    session.before_flush(|session| {
        assert!(session.commit().is_err());
        assert!(session.begin_nested(|_| Ok(())).is_err());
        session.flush()
    });
    session.add(note("three"));
    let error = session.flush().expect_err("it is under way");
    assert!(
        error.to_string().contains("before_flush hook has asked for a flush"),
        "{error}"
    );
    session.rollback()
}

/// What is told of objects, as `name Model key`; of the rest the names that are asked for.
fn listen(session: &mut Session<C>, also: &'static [&'static str]) -> EventLog {
    let log = EventLog::new();
    let heard = log.clone();
    session.listen(move |event| match event {
        SessionEvent::ObjectChanged { model, key, .. } => heard.push(match key {
            Some(key) => format!("{} {model} {key:?}", event.name()),
            None => format!("{} {model}", event.name()),
        }),
        _ if also.contains(&event.name()) => heard.push(event.name().to_owned()),
        _ => {}
    });
    log
}

#[test]
fn transient_to_pending() {
    let ground = notes_of("to_pending");
    let mut session = ground.engine.session();
    let log = listen(&mut session, &[]);
    session.add(note("three"));
    assert_eq!(log.take(), ["transient_to_pending Note"]);
}

#[test]
fn pending_to_transient_via_rollback() -> aludel::Result<()> {
    let ground = notes_of("via_rollback");
    let mut session = ground.engine.session();
    texts(&mut session)?;
    session.add(note("three"));
    let log = listen(&mut session, &["after_rollback", "after_soft_rollback"]);
    session.rollback()?;
    assert_eq!(
        log.take(),
        ["after_rollback", "pending_to_transient Note", "after_soft_rollback"]
    );
    let added = session.add(note("three"));
    log.take();
    session.expunge(added)?;
    assert_eq!(log.take(), ["pending_to_transient Note"]);
    Ok(())
}

#[test]
fn pending_to_persistent() -> aludel::Result<()> {
    let ground = notes_of("to_persistent");
    let mut session = ground.engine.session();
    session.add(note("three"));
    let log = listen(&mut session, &["before_flush", "after_flush", "after_flush_postexec"]);
    session.flush()?;
    let told = [
        "before_flush",
        "after_flush",
        "pending_to_persistent Note 3",
        "after_flush_postexec",
    ];
    assert_eq!(log.take(), told);
    // An edit is no change of state.
    let three = session.get_one::<Note>(3)?;
    session.edit(three)?.text.push('!');
    session.commit()?;
    assert_eq!(log.take(), ["before_flush", "after_flush", "after_flush_postexec"]);
    Ok(())
}

#[test]
fn detached_to_persistent() -> aludel::Result<()> {
    let ground = notes_of("detached");
    let mut session = ground.engine.session();
    let log = listen(&mut session, &[]);
    session.attach(Note { id: 1, ..note("one") })?;
    assert_eq!(log.take(), ["detached_to_persistent Note 1"]);
    Ok(())
}

#[test]
fn loaded_as_persistent() -> aludel::Result<()> {
    let ground = notes_of("loaded");
    let mut session = ground.engine.session();
    let log = listen(&mut session, &[]);
    session.get::<Note>(1)?;
    session.query::<Note, _>(notes::table.order(notes::id))?;
    session.get::<Note>(7)?;
    assert_eq!(
        log.take(),
        ["loaded_as_persistent Note 1", "loaded_as_persistent Note 2"]
    );
    session.commit()?;
    session.get::<Note>(1)?; // read again, and the same object
    assert_eq!(log.take(), [""; 0]);
    Ok(())
}

#[test]
fn persistent_to_deleted() -> aludel::Result<()> {
    let ground = notes_of("to_deleted");
    let mut session = ground.engine.session();
    let one = session.get_one::<Note>(1)?;
    let log = listen(&mut session, &["after_flush"]);
    session.delete(one)?;
    session.flush()?;
    assert_eq!(log.take(), ["persistent_to_deleted Note 1", "after_flush"]);
    Ok(())
}

#[test]
fn persistent_to_detached_via_expunge() -> aludel::Result<()> {
    let ground = notes_of("via_expunge");
    let mut session = ground.engine.session();
    let (one, _) = (session.get_one::<Note>(1)?, session.get_one::<Note>(2)?);
    let log = listen(&mut session, &[]);
    session.expunge(one)?;
    session.expunge_all();
    assert_eq!(
        log.take(),
        ["persistent_to_detached Note 1", "persistent_to_detached Note 2"]
    );
    Ok(())
}

#[test]
fn persistent_to_transient_via_rollback() {
    let ground = notes_of("insert_undone");
    let mut session = ground.engine.session();
    let log = listen(&mut session, &[]);
    session
        .begin_nested(|session| {
            session.add(note("three"));
            session.flush()?;
            log.take();
            Err::<(), _>(aludel::Error::other("no"))
        })
        .expect_err("it says so");
    assert_eq!(log.take(), ["persistent_to_transient Note 3"]);
}

#[test]
fn deleted_to_detached_via_commit() -> aludel::Result<()> {
    let ground = notes_of("via_commit");
    let mut session = ground.engine.session();
    let one = session.get_one::<Note>(1)?;
    session.delete(one)?;
    let log = listen(&mut session, &["after_commit"]);
    session.commit()?;
    assert_eq!(log.take(), ["after_commit", "deleted_to_detached Note 1"]);
    Ok(())
}

#[test]
fn deleted_to_persistent_via_rollback() -> aludel::Result<()> {
    let ground = notes_of("delete_undone");
    let mut session = ground.engine.session();
    let one = session.get_one::<Note>(1)?;
    session.delete(one)?;
    session.flush()?;
    let log = listen(&mut session, &["after_rollback"]);
    session.rollback()?;
    assert_eq!(log.take(), ["after_rollback", "deleted_to_persistent Note 1"]);
    assert_eq!(session.read(one)?.text, "one");
    Ok(())
}

#[test]
fn a_listener_that_panics_changes_nothing() -> aludel::Result<()> {
    let ground = notes_of("listener_panics");
    let factory = SessionFactory::new(&ground.engine).listen(|event| {
        assert!(!matches!(event, SessionEvent::ObjectChanged { .. }), "not this one");
    });
    let mut session = factory.session();
    let log = listen(&mut session, &[]);
    let three = session.add(note("three"));
    session.commit()?;
    assert_eq!(session.read(three)?.id, 3);
    assert_eq!(
        log.take(),
        ["transient_to_pending Note", "pending_to_persistent Note 3"]
    );
    Ok(())
}
