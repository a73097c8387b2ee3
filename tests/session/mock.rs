//! Sessions on `Engine::mock`: the conversation that a server would have had, and faults that nobody has.

use aludel::Event;
use aludel::mock::{Mock, MockBackend, MockStatement};
use aludel::prelude::*;
use aludel_tests::EventLog;
use aludel_tests::account::{Account, accounts};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

fn logged<B: MockBackend>() -> (Engine<Mock<B>>, EventLog) {
    let log = EventLog::new();
    let executor = {
        let log = log.clone();
        move |statement: &MockStatement| log.push(statement.to_string())
    };
    (Engine::mock(executor), log)
}

/// DDL, a savepoint that is kept and one that is not, in one transaction.
fn story<B>(engine: &Engine<Mock<B>>) -> aludel::Result<()>
where
    B: MockBackend,
{
    engine.begin(|session| {
        session.batch_execute("CREATE TABLE notes (text TEXT)")?;
        session.begin_nested(|nested| Ok(nested.batch_execute("INSERT INTO notes VALUES ('kept')")?))?;
        let undone = session.begin_nested(|_| Err::<(), _>(aludel::Error::other("on second thoughts")));
        assert!(undone.is_err());
        Ok(())
    })
}

#[test]
fn a_transaction_is_shown_from_begin_to_commit() -> aludel::Result<()> {
    let (engine, log) = logged::<Sqlite>();
    story(&engine)?;
    log.expect(&[
        "BEGIN;",
        "CREATE TABLE notes (text TEXT);",
        "SAVEPOINT aludel_sp_1;",
        "INSERT INTO notes VALUES ('kept');",
        "RELEASE SAVEPOINT aludel_sp_1;",
        "SAVEPOINT aludel_sp_1;",
        "ROLLBACK TO SAVEPOINT aludel_sp_1;",
        "RELEASE SAVEPOINT aludel_sp_1;",
        "COMMIT;",
    ]);
    Ok(())
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_has_the_same_conversation() -> aludel::Result<()> {
    let (engine, log) = logged::<diesel::pg::Pg>();
    story(&engine)?;
    let ours = log.take();
    let (engine, log) = logged::<Sqlite>();
    story(&engine)?;
    assert_eq!(ours, log.take());
    Ok(())
}

#[cfg(feature = "mysql")]
#[test]
fn on_mysql_ddl_commits_and_a_new_transaction_goes_on() -> aludel::Result<()> {
    let (engine, log) = logged::<diesel::mysql::Mysql>();
    story(&engine)?;
    log.expect(&[
        "BEGIN;",
        "CREATE TABLE notes (text TEXT);",
        "BEGIN;",
        "SAVEPOINT aludel_sp_1;",
        "INSERT INTO notes VALUES ('kept');",
        "RELEASE SAVEPOINT aludel_sp_1;",
        "SAVEPOINT aludel_sp_1;",
        "ROLLBACK TO SAVEPOINT aludel_sp_1;",
        "RELEASE SAVEPOINT aludel_sp_1;",
        "COMMIT;",
    ]);
    Ok(())
}

#[test]
fn an_error_of_the_closure_rolls_back_and_so_does_a_drop() {
    let (engine, log) = logged::<Sqlite>();
    let refused: aludel::Result<()> = engine.begin(|session| {
        session.batch_execute("DELETE FROM accounts")?;
        Err(aludel::Error::other("no"))
    });
    assert!(refused.is_err());
    log.expect(&["BEGIN;", "DELETE FROM accounts;", "ROLLBACK;"]);
    let mut session = engine.session();
    session.batch_execute("DELETE FROM accounts").unwrap();
    drop(session);
    log.expect(&["BEGIN;", "DELETE FROM accounts;", "ROLLBACK;"]);
}

diesel::table! {
    tags (name) {
        name -> Text,
        uses -> Integer,
    }
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = tags, primary_key(name))]
struct Tag {
    name: String,
    uses: i32,
}

#[test]
fn objects_and_typed_queries_show_their_values() -> aludel::Result<()> {
    let (engine, log) = logged::<Sqlite>();
    engine.begin(|session| {
        let tag = session.add(Tag {
            name: "red".to_owned(),
            uses: 0,
        });
        session.flush()?;
        session.edit(tag)?.uses = 1;
        assert!(session.get::<Tag>("blue".to_owned())?.is_none());
        session.delete(tag)?;
        diesel::update(accounts::table.find(9))
            .set(accounts::balance.eq(0))
            .execute(session)?;
        Ok(())
    })?;
    log.expect(&[
        "BEGIN;",
        "INSERT INTO `tags` (`name`, `uses`) VALUES (?, ?) /* \"red\", 0 */;",
        "UPDATE `tags` SET `uses` = ? WHERE `name` = ? /* 1, \"red\" */;",
        "SELECT `tags`.`name`, `tags`.`uses` FROM `tags` WHERE (`tags`.`name` = ?) LIMIT ? /* \"blue\", 1 */;",
        "DELETE FROM `tags` WHERE `name` IN (?) /* \"red\" */;",
        "UPDATE `accounts` SET `balance` = ? WHERE (`accounts`.`id` = ?) /* 0, 9 */;",
        "COMMIT;",
    ]);
    Ok(())
}

#[test]
fn a_key_that_the_database_would_have_made_is_not_found() {
    let (engine, log) = logged::<Sqlite>();
    let error = engine
        .begin(|session| {
            session.add(Account::new("Ann", 500));
            session.flush()
        })
        .unwrap_err();
    assert_eq!(error.kind(), aludel::ErrorKind::NotFound);
    log.expect(&[
        "BEGIN;",
        "INSERT INTO `accounts` (`owner`, `balance`, `version`) VALUES (?, ?, ?) RETURNING `id` /* \"Ann\", \
         500, 1 */;",
        "ROLLBACK;",
    ]);
}

#[derive(AsChangeset, Identifiable, Queryable, Debug)]
#[diesel(table_name = accounts)]
struct Balance {
    id: i32,
    balance: i64,
}

#[test]
fn save_changes_shows_what_each_backend_makes_of_it() {
    fn save<B: MockBackend>() -> Vec<String>
    where
        aludel::Connection<Mock<B>>:
            for<'a> diesel::query_dsl::UpdateAndFetchResults<&'a Balance, (i32, String, i64, i32)>,
    {
        let (engine, log) = logged::<B>();
        let balance = Balance { id: 7, balance: 3 };
        let saved = balance.save_changes::<(i32, String, i64, i32)>(&mut engine.connect());
        assert_eq!(saved, Err(DieselError::NotFound));
        log.take()
    }
    let update = "UPDATE `accounts` SET `balance` = ? WHERE (`accounts`.`id` = ?) /* 3, 7 */;";
    let select = "SELECT `accounts`.`id`, `accounts`.`owner`, `accounts`.`balance`, `accounts`.`version` FROM `accounts` \
                  WHERE (`accounts`.`id` = ?) /* 7 */;";
    assert_eq!(save::<Sqlite>(), ["BEGIN;", update, select, "ROLLBACK;"]);
    #[cfg(feature = "mysql")]
    assert_eq!(save::<diesel::mysql::Mysql>(), ["BEGIN;", update, select, "ROLLBACK;"]);
    #[cfg(feature = "postgres")]
    assert!(save::<diesel::pg::Pg>()[1].contains("RETURNING"));
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("session/migrations");

#[test]
fn migrations_print_their_ddl() {
    let (engine, log) = logged::<Sqlite>();
    let mut session = engine.session();
    let applied = session.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(applied.len(), 2);
    let sent = log.take();
    let steps: Vec<&str> = sent
        .iter()
        .map(|sql| sql.split(['(', ' ']).next().unwrap_or_default())
        .collect();
    assert_eq!(
        steps.join(" "),
        "BEGIN; CREATE COMMIT; BEGIN; SELECT COMMIT; BEGIN; CREATE INSERT COMMIT; BEGIN; CREATE INSERT COMMIT;"
    );
    assert_eq!(
        sent[7],
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount BIGINT NOT NULL);"
    );
}

/// An executor that answers the first statement which starts like this with an error, and logs all of them.
fn failing_once<B: MockBackend>(
    start: &'static str,
    kind: impl Fn() -> DatabaseErrorKind + Send + Sync + 'static,
    text: &'static str,
) -> (Engine<Mock<B>>, EventLog, EventLog) {
    let (sent, events) = (EventLog::new(), EventLog::new());
    let failed = std::sync::atomic::AtomicBool::new(false);
    let executor = {
        let sent = sent.clone();
        move |statement: &MockStatement| {
            sent.push(statement.to_string());
            if statement.sql().starts_with(start) && !failed.swap(true, std::sync::atomic::Ordering::Relaxed) {
                return Err(DieselError::DatabaseError(kind(), Box::new(text.to_owned())));
            }
            Ok(())
        }
    };
    let engine = Engine::<Mock<B>>::mock_builder(executor)
        .clock(aludel::clock::Clock::test().0)
        .listen(aludel_tests::stories::outline(&events))
        .build()
        .expect("the options are sound");
    (engine, sent, events)
}

#[retry]
fn empty<C: Dialect>(session: &mut Session<C>) -> aludel::Result<()> {
    session.batch_execute("DELETE FROM accounts")?;
    Ok(())
}

#[test]
fn a_conflict_that_the_executor_plays_is_run_again() {
    let (engine, sent, events) = failing_once::<Sqlite>("COMMIT", || DatabaseErrorKind::Unknown, "database is locked");
    empty(&mut engine.session()).unwrap();
    sent.expect(&[
        "BEGIN;",
        "DELETE FROM accounts;",
        "COMMIT;",
        "ROLLBACK;",
        "BEGIN IMMEDIATE;",
        "DELETE FROM accounts;",
        "COMMIT;",
    ]);
    events.expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
}

#[cfg(feature = "mysql")]
#[test]
fn a_connection_that_the_executor_loses_stays_lost_and_another_takes_its_place() {
    use diesel::mysql::Mysql;
    // Known by its words alone, so the connection is asked whether it is true.
    let (engine, sent, events) = failing_once::<Mysql>("DELETE", || DatabaseErrorKind::Unknown, "Server has gone away");
    empty(&mut engine.session()).unwrap();
    sent.expect(&[
        "BEGIN;",
        "DELETE FROM accounts;",
        "BEGIN;",
        "DELETE FROM accounts;",
        "COMMIT;",
    ]);
    events.expect(&[
        "begin",
        "doomed",
        "retire",
        "invalidate",
        "rollback",
        "rerun 2 after disconnect",
        "begin",
        "commit",
    ]);
    let (engine, sent, _) = failing_once::<Mysql>("DELETE", || DatabaseErrorKind::Unknown, "Server has gone away");
    let mut raw = engine.raw_connection().unwrap();
    for _ in 0..2 {
        raw.batch_execute("DELETE FROM accounts").unwrap_err();
    }
    sent.expect(&["DELETE FROM accounts;"]); // nothing reaches the server any more
    drop(raw);
    assert_eq!(engine.pool().checkedin(), 0);
}

#[cfg(feature = "mysql")]
#[test]
fn after_a_deadlock_that_the_executor_plays_nothing_is_left_to_commit() {
    let text = "Deadlock found when trying to get lock; try restarting transaction";
    let (engine, sent, _) =
        failing_once::<diesel::mysql::Mysql>("DELETE", || DatabaseErrorKind::SerializationFailure, text);
    let error = engine
        .begin(|session| {
            let _swallowed = session.batch_execute("DELETE FROM accounts");
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.class(), aludel::Class::Retry);
    sent.expect(&["BEGIN;", "DELETE FROM accounts;", "ROLLBACK;"]);
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres_an_error_that_the_executor_plays_aborts_its_frame() {
    let text = "duplicate key value violates unique constraint \"accounts_pkey\"";
    let (engine, sent, events) = failing_once::<diesel::pg::Pg>("DELETE", || DatabaseErrorKind::UniqueViolation, text);
    engine
        .begin(|session| {
            let nested = session.begin_nested(|nested| Ok(nested.batch_execute("DELETE FROM accounts")?));
            assert!(nested.is_err());
            Ok(session.batch_execute("DELETE FROM accounts")?)
        })
        .unwrap();
    sent.expect(&[
        "BEGIN;",
        "SAVEPOINT aludel_sp_1;",
        "DELETE FROM accounts;",
        "ROLLBACK TO SAVEPOINT aludel_sp_1;",
        "RELEASE SAVEPOINT aludel_sp_1;",
        "DELETE FROM accounts;",
        "COMMIT;",
    ]);
    events.expect(&["begin", "savepoint 1", "doomed", "rollback to 1", "commit"]);
}

#[test]
fn listeners_and_instrumentation_hear_of_a_mocks_statements() {
    let (begun, heard) = (EventLog::new(), EventLog::new());
    let listener = {
        let begun = begun.clone();
        move |event: &Event<'_>| {
            if let Event::Begin { .. } = event {
                begun.push("begin");
            }
        }
    };
    let engine = Engine::<Mock<Sqlite>>::mock_builder(|_| ())
        .listen(listener)
        .build()
        .unwrap();
    let mut connection = engine.connect();
    let log = heard.clone();
    connection.set_instrumentation(move |event: diesel::connection::InstrumentationEvent<'_>| {
        if let diesel::connection::InstrumentationEvent::StartQuery { query, .. } = event {
            log.push(query.to_string());
        }
    });
    connection.batch_execute("SELECT 1").unwrap();
    connection.commit().unwrap();
    begun.expect(&["begin"]);
    heard.expect(&["BEGIN", "SELECT 1", "COMMIT"]);
}
