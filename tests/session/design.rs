//! The code that users were promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aludel::prelude::*;
use aludel_tests::sqlite;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
diesel::table! { ledger (id) { id -> Integer, account -> Integer, amount -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    owner: String,
    balance: i64,
    #[model(version)]
    version: i32,
}

/// On a session with no transaction open it is a whole transaction.
#[retry(attempts = 5, deadline = "10s")]
fn transfer(session: &mut Session<SqliteConnection>, from: i32, to: i32, amount: i64) -> aludel::Result<i64> {
    let from = session.get_one::<Account>(from)?;
    let to = session.get_one::<Account>(to)?;
    session[from].balance -= amount;
    session[to].balance += amount;
    session.begin_nested(|nested| {
        diesel::insert_into(ledger::table)
            .values((ledger::account.eq(1), ledger::amount.eq(amount)))
            .execute(nested)?;
        Ok(())
    })?;
    Ok(session[from].balance)
}

#[test]
fn the_quick_tour() -> aludel::Result<()> {
    let file = sqlite::file();
    let engine = Engine::<SqliteConnection>::new(file.url())?;
    let mut session = engine.session();
    diesel::sql_query(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL, version INTEGER NOT NULL)",
    )
    .execute(&mut session)?;
    diesel::sql_query("CREATE TABLE ledger (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount BIGINT NOT NULL)")
        .execute(&mut session)?;
    session.add(Account {
        id: 1,
        owner: "Ann".into(),
        balance: 5_000,
        version: 0,
    });
    session.add(Account {
        id: 2,
        owner: "Bob".into(),
        balance: 0,
        version: 0,
    });
    session.commit()?;
    drop(session);

    assert_eq!(transfer(&mut engine.session(), 1, 2, 100)?, 4_900);

    let rich = engine.begin(|session| {
        Ok(accounts::table
            .filter(accounts::balance.gt(1_000))
            .load::<Account>(session)?)
    })?;
    assert_eq!(rich.len(), 1);
    assert_eq!(
        (rich[0].owner.as_str(), rich[0].balance, rich[0].version),
        ("Ann", 4_900, 2)
    );

    let told = Arc::new(AtomicUsize::new(0));
    let mut session = engine.session();
    let carol = session.add(Account {
        id: 0,
        owner: "Carol".into(),
        balance: 7,
        version: 0,
    });
    let teller = Arc::clone(&told);
    session.on_commit(move || {
        teller.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(told.load(Ordering::SeqCst), 0);
    session.commit()?;
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(session[carol].id, 3);

    println!("{}", engine.pool().status());
    engine.dispose();
    assert_eq!(engine.pool().checkedin(), 0);
    Ok(())
}

#[test]
fn every_option_of_the_builder() -> aludel::Result<()> {
    let connects = Arc::new(AtomicUsize::new(0));
    let checkouts = Arc::new(AtomicUsize::new(0));
    let (connected, checked_out) = (Arc::clone(&connects), Arc::clone(&checkouts));
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .pool_size(5)
        .max_overflow(10)
        .pool_timeout(Duration::from_secs(30))
        .pool_recycle(Duration::from_hours(1))
        .pool_pre_ping(PrePing::IdleFor(Duration::from_millis(500)))
        .pool_use_lifo(true)
        .pool_reset_on_return(ResetOnReturn::Rollback)
        .isolation_level(IsolationLevel::Serializable)
        .echo(false)
        .echo_pool(false)
        .hide_parameters(true)
        .logging_name("bank")
        .listen(|_: &Event<'_>| {})
        .on_connect(move |connection: &mut SqliteConnection, _| {
            connected.fetch_add(1, Ordering::SeqCst);
            diesel::sql_query("PRAGMA foreign_keys = ON").execute(connection)?;
            Ok(())
        })
        .on_checkout(move |_: &mut SqliteConnection, _| {
            // The first connection is refused and replaced.
            if checked_out.fetch_add(1, Ordering::SeqCst) == 0 {
                Err(Refuse::Reconnect)
            } else {
                Ok(())
            }
        })
        .handle_error(|context: &mut ErrorContext<'_>| {
            if context.message().contains("no such table") {
                context.set_class(Class::Retry);
            }
        })
        .build()?;
    assert_eq!(
        engine.pool().opened(),
        0,
        "an engine connects to nothing until it is used"
    );

    let attempts = AtomicUsize::new(0);
    let error = engine
        .session()
        .retry(&aludel::RetryPolicy::new().attempts(3), |session| {
            attempts.fetch_add(1, Ordering::SeqCst);
            Ok(diesel::sql_query("SELECT * FROM missing").execute(session)?)
        })
        .expect_err("there is no such table");
    assert!(error.is_retryable(), "handle_error has changed the class: {error}");
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!(connects.load(Ordering::SeqCst), 2);
    Ok(())
}
