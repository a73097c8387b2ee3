//! Building an engine, and what it refuses to build.

use aludel::prelude::*;
use aludel::{ErrorKind, Url, pool};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;

#[test]
fn an_engine_connects_to_nothing_until_it_is_used() {
    let engine = Engine::<SqliteConnection>::new("sqlite:///nowhere/at/all/bank.db").expect("nothing is opened yet");
    assert_eq!(engine.pool().opened(), 0);
    let error = engine.raw_connection().expect_err("there is no such folder");
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().starts_with("no connection could be made:"), "{error}");
    engine.pool().assert_invariants();
}

#[test]
fn a_url_of_another_database_is_refused_with_what_fits() {
    let error = Engine::<SqliteConnection>::new("mysql://app:hunter2@localhost/bank").expect_err("it is SQLite's");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(
        text.contains("`mysql`") && text.contains("sqlite://") && !text.contains("hunter2"),
        "{text}"
    );
    for typo in ["bank.db", "sqlite:bank.db", "sqlite://bank.db?buzy_timeout=3"] {
        assert!(Engine::<SqliteConnection>::new(typo).is_err(), "{typo}");
    }
}

#[test]
fn a_url_may_be_parsed_before() -> aludel::Result<()> {
    let url = Url::parse("sqlite://:memory:")?;
    let engine = Engine::<SqliteConnection>::new(url.clone())?;
    assert_eq!(engine.url(), &url);
    Ok(())
}

#[test]
fn pool_class() -> aludel::Result<()> {
    let kind = |url: &str| Ok::<_, aludel::Error>(Engine::<SqliteConnection>::new(url)?.pool().kind());
    assert_eq!(kind("sqlite://")?, "ThreadLocalPool");
    assert_eq!(kind("sqlite://:memory:")?, "ThreadLocalPool");
    assert_eq!(kind("sqlite://bank.db")?, "QueuePool");
    assert_eq!(kind("sqlite://shop?mode=memory&cache=shared")?, "QueuePool");
    let engine = Engine::<SqliteConnection>::builder("sqlite://").pool_size(2).build()?;
    assert_eq!(engine.pool().kind(), "QueuePool", "who speaks of sizes wants a queue");

    let engine = Engine::<SqliteConnection>::new("sqlite://")?;
    engine.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?))?;
    engine.begin(|session| Ok(session.batch_execute("INSERT INTO t VALUES (1)")?))?;
    assert_eq!(
        engine.pool().opened(),
        1,
        "a thread keeps its connection, and with it the database"
    );
    Ok(())
}

#[test]
fn an_engine_is_shared_between_threads_and_with_its_clones() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::builder("sqlite://")
        .pool(pool::Static)
        .build()?;
    let clone = engine.clone();
    std::thread::spawn(move || clone.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?)))
        .join()
        .expect("no panic")?;
    engine.begin(|session| Ok(session.batch_execute("INSERT INTO t VALUES (1)")?))
}

#[test]
fn a_failing_on_connect_hook_fails_the_connect_and_loses_no_slot() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::builder("sqlite://")
        .on_connect(|connection, _| Ok(connection.batch_execute("PRAGMA no_such_thing(")?))
        .build()?;
    for _ in 0..3 {
        assert!(engine.begin(|_| Ok(())).is_err());
    }
    assert_eq!(engine.pool().checkedout(), 0);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn a_ready_pool_is_shared_by_two_engines() -> aludel::Result<()> {
    let first = Engine::<SqliteConnection>::builder(aludel_tests::sqlite::shared())
        .pool_size(1)
        .max_overflow(0)
        .build()?;
    let second = Engine::builder(first.url().clone())
        .pool(first.pool().clone())
        .build()?;
    first.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?))?;
    second.begin(|session| {
        assert_eq!((first.pool().checkedout(), second.pool().checkedout()), (1, 1));
        Ok(session.batch_execute("INSERT INTO t VALUES (1)")?)
    })?;
    assert_eq!(first.pool().opened(), 1, "one connection served both");
    assert_eq!((first.pool().checkedin(), second.pool().checkedin()), (1, 0));
    second.raw_connection()?.invalidate("spoilt");
    assert_eq!(
        first.pool().closed(),
        1,
        "what one of them invalidates does not come back to the other"
    );
    first.pool().assert_invariants();
    second.pool().assert_invariants();
    Ok(())
}

#[test]
fn options_that_a_kind_of_pool_has_no_use_for_are_refused_by_name() {
    let builder = || Engine::<SqliteConnection>::builder("sqlite://bank.db").pool(pool::Assertion);
    let refused = [
        ("pool_size", builder().pool_size(3).build()),
        ("max_overflow", builder().max_overflow(0).build()),
        ("unlimited_overflow", builder().unlimited_overflow().build()),
        ("pool_use_lifo", builder().pool_use_lifo(true).build()),
        ("pool_min_idle", builder().pool_min_idle(1).build()),
    ];
    for (option, built) in refused {
        let error = built.expect_err(option).to_string();
        assert!(
            error.contains(&format!("`{option}` has no meaning for the kind AssertionPool"))
                && error.contains("pool::Queue"),
            "{error}"
        );
    }
    assert!(
        builder().pool_use_lifo(false).pool_min_idle(0).build().is_ok(),
        "the defaults may be said"
    );
}

#[test]
fn no_two_sessions_have_the_same_number_whichever_threads_they_begin_on() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let numbers = || -> Vec<u64> { (0..2_500).map(|_| engine.next_session_number()).collect() };
    let mut all = numbers();
    std::thread::scope(|threads| {
        let started: Vec<_> = (0..4).map(|_| threads.spawn(numbers)).collect();
        for thread in started {
            all.extend(thread.join().expect("nothing panics"));
        }
    });
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), count), (12_500, 12_500));
    Ok(())
}
