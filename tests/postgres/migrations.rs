//! `run_pending_migrations(&mut session)`: what it reports as done is there, though nobody calls commit.

use aludel::prelude::*;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::bank::{ANN, Bank, Number, pay};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("postgres/migrations");

fn branches(connection: &mut PgConnection) -> QueryResult<i64> {
    let count = "SELECT COUNT(*) AS number FROM branches WHERE opened_at IS NULL";
    Ok(diesel::sql_query(count).get_result::<Number>(connection)?.number)
}

#[test]
fn migrations_on_a_session_are_there_after_it_was_dropped() {
    let bank = Bank::open("migrated");
    let mut session = bank.engine.session();
    let applied = session.run_pending_migrations(MIGRATIONS).expect("both are good").len();
    drop(session);
    assert_eq!(applied, 2);
    assert_eq!(
        branches(&mut bank.outside()).expect("another connection sees the table"),
        2
    );
    assert_eq!(bank.times("dropped uncommitted"), 0);
    bank.expect_whole_pool();

    let mut session = bank.engine.session();
    assert!(!session.has_pending_migration(MIGRATIONS).expect("it can be asked"));
    session.revert_last_migration(MIGRATIONS).expect("it has a way back");
    drop(session);
    assert!(branches(&mut bank.outside()).is_err(), "the column is gone");
    assert_eq!(bank.times("dropped uncommitted"), 0);
    bank.expect_whole_pool();
}

#[test]
fn migrations_on_a_session_that_has_written_commit_all_of_it() {
    let bank = Bank::open("after_write");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    session.run_pending_migrations(MIGRATIONS).expect("both are good");
    drop(session);
    assert_eq!(
        (branches(&mut bank.outside()).expect("it is there"), bank.books().0),
        (2, 400)
    );
    bank.expect_whole_pool();
}

#[test]
fn migrations_inside_a_transaction_of_ours_are_rolled_back_with_it() {
    let bank = Bank::open("inside");
    bank.engine
        .begin(|session| {
            session
                .run_pending_migrations(MIGRATIONS)
                .map_err(aludel::Error::other)?;
            Err::<(), _>(aludel::Error::other("changed my mind"))
        })
        .unwrap_err();
    assert!(branches(&mut bank.outside()).is_err());
    bank.expect_whole_pool();
}

#[test]
fn the_body_of_a_function_is_not_transaction_control() {
    let bank = Bank::open("body");
    let function = "CREATE FUNCTION one() RETURNS integer AS $$ BEGIN RETURN 1; END; $$ LANGUAGE plpgsql";
    bank.engine
        .begin(|session| Ok(session.batch_execute(function)?))
        .expect("PostgreSQL runs it in any transaction");
    bank.engine
        .begin(|session| {
            let block = "DO $do$ BEGIN PERFORM one(); END $do$; SELECT $1$; ROLLBACK; SELECT $1$";
            let refused = session.batch_execute(block).unwrap_err().to_string();
            assert!(
                refused.starts_with("aludel: transaction control in raw SQL"),
                "`$1` is no quote: {refused}"
            );
            session.batch_execute("DO $do$ BEGIN PERFORM one(); END $do$; SELECT $a$COMMIT; ROLLBACK$a$")?;
            Ok(())
        })
        .expect("what stands between dollars is text");
}
