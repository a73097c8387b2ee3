//! An error names the statement that has failed, and never its values.

use std::sync::atomic::{AtomicUsize, Ordering};

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Class, Error, Phase};
use aludel_tests::account::{Account, accounts};
use diesel::SqliteConnection;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

/// A value that must appear nowhere.
const HIDDEN: i64 = 424_242;

const TABLE: &str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, balance BIGINT NOT NULL, \
                     version INTEGER NOT NULL)";

fn memory() -> aludel::EngineBuilder<SqliteConnection> {
    Engine::builder("sqlite://").pool_size(1).max_overflow(0)
}

/// What an `Error` made from Diesel's says of its statement.
fn statement_of(error: diesel::result::Error) -> String {
    let error = Error::from(error);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(&HIDDEN.to_string()), "{text}");
    let statement = error.statement().expect("it is known").to_owned();
    assert!(text.contains(&format!("[SQL: {statement}]")), "{text}");
    statement
}

#[test]
fn each_way_to_send_a_statement_is_named() -> aludel::Result<()> {
    let engine = memory().build()?;
    let mut session = engine.session();

    let rich = accounts::table.filter(accounts::balance.gt(HIDDEN));
    let error = rich.load::<Account>(&mut session).expect_err("there is no table");
    assert!(statement_of(error).starts_with("SELECT `accounts`.`id`"));
    let error = rich.count().get_result::<i64>(&mut session).expect_err("there is none");
    assert!(statement_of(error).starts_with("SELECT COUNT(*)"));
    let error = diesel::delete(rich).execute(&mut session).expect_err("there is none");
    assert!(statement_of(error).starts_with("DELETE FROM `accounts` WHERE"));
    let error = session.batch_execute("DROP TABLE accounts").expect_err("there is none");
    assert_eq!(statement_of(error), "DROP TABLE accounts");
    let error = diesel::sql_query("SELECT id FROM accounts WHERE balance = ?")
        .bind::<diesel::sql_types::BigInt, _>(HIDDEN)
        .execute(&mut session)
        .expect_err("there is none");
    assert_eq!(statement_of(error), "SELECT id FROM accounts WHERE balance = ?");
    Ok(())
}

#[test]
fn the_error_of_a_scope_and_of_what_it_refuses_name_the_first_statement() -> aludel::Result<()> {
    let engine = memory().build()?;
    let error = engine
        .begin(|session| Ok(accounts::table.load::<Account>(session)?))
        .expect_err("there is no table");
    assert!(error.statement().expect("it is known").starts_with("SELECT"), "{error}");

    engine.begin(|session| Ok(session.batch_execute(TABLE)?))?;
    let mut session = engine.session();
    let insert = "INSERT OR ROLLBACK INTO accounts VALUES (1, 'Ann', 1, 1)";
    session.batch_execute(insert)?;
    session
        .batch_execute(insert)
        .expect_err("Ann is there, and the transaction is not");
    let refused = session
        .batch_execute("SELECT 1")
        .map_err(Error::from)
        .expect_err("it is doomed");
    assert!(refused.is_doomed());
    assert_eq!(refused.statement(), Some(insert));
    Ok(())
}

#[test]
fn no_statement_is_named_where_none_was_at_fault() {
    assert_eq!(Error::other("half-way").statement(), None);
    assert_eq!(Error::from(diesel::result::Error::NotFound).statement(), None);
}

/// What was heard of one statement is not told of another, not even where the session has been elsewhere in between.
#[test]
fn an_older_statement_is_not_taken_for_the_last_one() -> aludel::Result<()> {
    let script = FaultScript::new();
    let engine = memory().faults(script.clone()).build()?;
    engine.begin(|session| Ok(session.batch_execute(TABLE)?))?;
    let mut session = engine.session();
    let fails = |session: &mut Session<SqliteConnection>| session.batch_execute("INSERT INTO nowhere VALUES (1)");
    fails(&mut session).expect_err("there is no table");
    script.fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "interrupted");
    assert_eq!(session.backend_id().unwrap_err().statement(), None);

    fails(&mut session).expect_err("there is no table");
    std::thread::scope(|scope| scope.spawn(|| session.batch_execute("SELECT 1")).join().unwrap())?;
    script.fail_at_row(1, DatabaseErrorKind::Unknown, "interrupted");
    let error = Error::from(accounts::table.load::<Account>(&mut session).unwrap_err());
    assert_eq!(error.statement(), None, "{error}");
    Ok(())
}

#[test]
fn an_older_error_is_not_taken_for_the_last_one() -> aludel::Result<()> {
    let engine = memory().build()?;
    let mut session = engine.session();
    let older = session.batch_execute("DROP TABLE a").expect_err("there is none");
    let last = session.batch_execute("DROP TABLE b").expect_err("there is none");
    assert_eq!(Error::from(older).statement(), None, "only the last one is remembered");
    assert_eq!(Error::from(last).statement(), Some("DROP TABLE b"));
    Ok(())
}

#[test]
fn what_the_engines_hook_decided_is_known_to_an_error_as_you_go() -> aludel::Result<()> {
    let builder = memory().handle_error(|context| {
        if context.message().contains("UNIQUE") {
            context.set_class(Class::Retry);
        }
    });
    let engine = builder.build()?;
    let mut session = engine.session();
    session.batch_execute(TABLE)?;
    let insert = diesel::insert_into(accounts::table).values((
        accounts::owner.eq("Ann"),
        accounts::balance.eq(HIDDEN),
        accounts::version.eq(1),
    ));
    insert.execute(&mut session)?;
    let error = insert.execute(&mut session).expect_err("Ann is there");
    assert!(matches!(
        error,
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)
    ));
    assert!(Error::from(error).is_retryable());
    Ok(())
}

#[test]
fn values_that_were_asked_for_are_shown_once() -> aludel::Result<()> {
    let engine = memory().hide_parameters(false).parameters_in_errors(true).build()?;
    let rich = accounts::table.filter(accounts::balance.gt(7));
    let error = engine
        .begin(|session| Ok(rich.load::<Account>(session)?))
        .expect_err("there is no table");
    assert_eq!(error.to_string().matches("[SQL: ").count(), 1, "{error}");
    Ok(())
}

#[test]
fn an_instrumentation_that_on_connect_has_set_stays() -> aludel::Result<()> {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let builder = memory().on_connect(|raw: &mut SqliteConnection, _| {
        raw.set_instrumentation(|event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                HEARD.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    });
    let engine = builder.build()?;
    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    assert_eq!(HEARD.load(Ordering::Relaxed), 3, "BEGIN, SELECT, COMMIT");
    Ok(())
}
