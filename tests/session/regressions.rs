//! What a careful reader found, each with the way in which it went wrong.
#![allow(clippy::unwrap_used)] // each is as short as it was found

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i64,
}

fn bank() -> Engine<SqliteConnection> {
    bank_with(FaultScript::new())
}

fn bank_with(script: FaultScript) -> Engine<SqliteConnection> {
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .faults(script)
        .build()
        .unwrap();
    engine
        .begin(|s| {
            s.batch_execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL); INSERT INTO accounts VALUES (1, 100), (2, 200)")?;
            Ok(())
        })
        .unwrap();
    engine
}

fn balance(engine: &Engine<SqliteConnection>, id: i32) -> i64 {
    engine
        .begin(|s| Ok(accounts::table.find(id).select(accounts::balance).first(s)?))
        .unwrap()
}

#[test]
fn a_value_read_inside_a_savepoint_dies_with_it() {
    let engine = bank();
    engine
        .begin(|s| {
            let failed: aludel::Result<()> = s.begin_nested(|n| {
                diesel::update(accounts::table.find(1))
                    .set(accounts::balance.eq(999))
                    .execute(n)?;
                let a = n.get_one::<Account>(1)?;
                assert_eq!(n[a].balance, 999);
                Err(aludel::Error::misuse("undo"))
            });
            failed.unwrap_err();
            let a = s.get_one::<Account>(1)?;
            s.edit(a)?.balance += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(balance(&engine, 1), 101);
}

#[test]
fn an_update_through_the_session_is_not_overwritten_by_an_older_value() {
    let engine = bank();
    engine
        .begin(|s| {
            let a = s.get_one::<Account>(1)?;
            diesel::update(accounts::table.find(1))
                .set(accounts::balance.eq(accounts::balance + 50))
                .execute(s)?;
            s.edit(a)?.balance -= 10;
            Ok(())
        })
        .unwrap();
    assert_eq!(balance(&engine, 1), 140);
}

#[test]
fn a_handle_of_another_engine_names_no_row_here() {
    let (one, two) = (bank(), bank());
    let (mut first, mut second) = (one.session(), two.session());
    // bank() has used session 1 of each engine.
    let a = first.get_one::<Account>(1).unwrap();
    let b = second.get_one::<Account>(2).unwrap();
    assert_ne!(a, b, "handles of two databases are equal");
    assert!(second.read(a).is_err(), "{:?}", second.read(a));
}

#[test]
fn key_zero_is_one_row_one_object() {
    let engine = bank();
    engine
        .begin(|s| {
            diesel::insert_into(accounts::table)
                .values((accounts::id.eq(0), accounts::balance.eq(100)))
                .execute(s)?;
            Ok(())
        })
        .unwrap();
    engine
        .begin(|s| {
            let a = s.get_one::<Account>(0)?;
            let b = s.get_one::<Account>(0)?;
            s.edit(a)?.balance -= 10;
            s.edit(b)?.balance -= 10;
            Ok(())
        })
        .unwrap();
    assert_eq!(balance(&engine, 0), 80);
}

#[test]
fn key_zero_deleted_when_expired() {
    let engine = bank();
    let mut s = engine.session();
    diesel::insert_into(accounts::table)
        .values((accounts::id.eq(0), accounts::balance.eq(100)))
        .execute(&mut s)
        .unwrap();
    let a = s.get_one::<Account>(0).unwrap();
    s.commit().unwrap();
    s.get_one::<Account>(1).unwrap(); // begins: what was read before is expired
    s.delete(a).unwrap();
    s.commit().unwrap(); // panics
}

#[test]
fn closing_a_test_transaction_leaves_a_usable_connection() {
    let engine = bank();
    let mut c = engine.connect();
    c.begin_test_transaction().unwrap();
    diesel::sql_query("SELECT 1").execute(&mut c).unwrap();
    c.close().unwrap();
    diesel::sql_query("SELECT 1").execute(&mut c).unwrap(); // panics
}

#[test]
fn a_transaction_of_diesels_inside_a_savepoint_that_began_by_itself() {
    let engine = bank();
    let mut s = engine.session();
    s.begin_nested(|n| {
        n.transaction::<_, diesel::result::Error, _>(|t| {
            diesel::update(accounts::table.find(1))
                .set(accounts::balance.eq(1))
                .execute(t)
        })?;
        Ok(())
    })
    .unwrap(); // panics
    s.commit().unwrap();
    drop(s);
    assert_eq!(balance(&engine, 1), 1);
}

#[test]
fn what_a_pragma_wrote_is_not_lost_in_silence() {
    let engine = bank();
    let mut s = engine.session();
    diesel::sql_query("PRAGMA user_version = 7").execute(&mut s).unwrap();
    assert!(
        s.begin(|_| Ok(())).is_err(),
        "the transaction that had written was ended without a word"
    );
}

#[test]
fn a_trigger_can_be_created() {
    let engine = bank();
    engine
        .begin(|s| {
            s.batch_execute("CREATE TRIGGER t AFTER INSERT ON accounts BEGIN UPDATE accounts SET balance = 0 WHERE id = NEW.id; END")?;
            Ok(())
        })
        .unwrap();
}

#[test]
fn another_session_put_in_the_place_of_the_lent_one_is_no_commit() {
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .build()
        .unwrap();
    let other = engine.clone();
    let result = engine.begin(|s| {
        diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(s)?;
        *s = other.session();
        Ok(())
    });
    assert!(result.is_err(), "Ok, and nothing was committed");
}

#[test]
fn a_hook_does_not_survive_a_commit_of_unknown_outcome() {
    let script = FaultScript::new();
    let engine = bank_with(script.clone());
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let mut s = engine.session();
    s.on_commit(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    script.fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "disk I/O error");
    let result = s.transaction::<_, diesel::result::Error, _>(|t| {
        diesel::sql_query("UPDATE accounts SET balance = 0").execute(t)
    });
    assert!(aludel::Error::from(result.unwrap_err()).is_commit_unknown());
    let mut s2 = s;
    s2.begin(|_| Ok(())).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_stale_handle_given_to_delete_leaves_nothing_pending() {
    let engine = bank();
    let mut s = engine.session();
    let a = s.add(Account { id: 9, balance: 0 });
    s.rollback().unwrap();
    assert!(s.delete(a).is_err());
    s.begin(|_| Ok(())).unwrap();
}

#[test]
fn a_panic_in_a_rerun_does_not_leave_immediate_behind() {
    let script = FaultScript::new();
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .faults(script.clone())
        .build()
        .unwrap();
    let mut s = engine.session();
    script.fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked");
    let mut run = 0;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        s.retry(&RetryPolicy::new(), |s| {
            run += 1;
            assert!(run < 2, "second attempt");
            diesel::sql_query("SELECT 1").execute(s)?;
            Ok(())
        })
    }));
    assert!(caught.is_err());
    let log = aludel_tests::EventLog::new();
    let listener = log.clone();
    s.set_instrumentation(move |event: diesel::connection::InstrumentationEvent<'_>| {
        if let diesel::connection::InstrumentationEvent::StartQuery { query, .. } = event {
            listener.push(query.to_string());
        }
    });
    diesel::sql_query("SELECT 1").execute(&mut s).unwrap();
    assert!(
        !log.take().contains(&"BEGIN IMMEDIATE".to_owned()),
        "every later root of this session takes the write lock"
    );
}

#[test]
fn a_migration_without_a_transaction_is_not_lost() {
    use diesel::migration::{Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion};
    use diesel_migrations::MigrationHarness as _;
    #[derive(Debug)]
    struct One;
    #[derive(Debug)]
    struct Name;
    impl std::fmt::Display for Name {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("1_one")
        }
    }
    impl MigrationName for Name {
        fn version(&self) -> MigrationVersion<'_> {
            "1".into()
        }
    }
    struct Meta;
    impl MigrationMetadata for Meta {
        fn run_in_transaction(&self) -> bool {
            false
        }
    }
    impl Migration<diesel::sqlite::Sqlite> for One {
        fn run(
            &self,
            c: &mut dyn diesel::connection::BoxableConnection<diesel::sqlite::Sqlite>,
        ) -> diesel::migration::Result<()> {
            Ok(c.batch_execute("CREATE TABLE migrated (a INTEGER)")?)
        }
        fn revert(
            &self,
            _: &mut dyn diesel::connection::BoxableConnection<diesel::sqlite::Sqlite>,
        ) -> diesel::migration::Result<()> {
            Ok(())
        }
        fn metadata(&self) -> &dyn MigrationMetadata {
            &Meta
        }
        fn name(&self) -> &dyn MigrationName {
            &Name
        }
    }
    struct Source;
    impl MigrationSource<diesel::sqlite::Sqlite> for Source {
        fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>>> {
            Ok(vec![Box::new(One)])
        }
    }
    let engine = bank();
    {
        let mut s = engine.session();
        assert_eq!(s.run_pending_migrations(Source).unwrap().len(), 1);
    }
    engine
        .begin(|s| Ok(diesel::sql_query("INSERT INTO migrated VALUES (1)").execute(s)?))
        .unwrap();
}

fn on_file(
    listener: impl Fn(&aludel::Event<'_>) + Send + Sync + 'static,
) -> (aludel_tests::sqlite::TempDatabase, Engine<SqliteConnection>) {
    let database = aludel_tests::sqlite::file();
    let engine = Engine::<SqliteConnection>::builder(format!("sqlite://{}", database.path().display()).as_str())
        .listen(listener)
        .build()
        .unwrap();
    engine
        .begin(|s| {
            s.batch_execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL); INSERT INTO accounts VALUES (1, 100), (2, 200)")?;
            Ok(())
        })
        .unwrap();
    (database, engine)
}

#[test]
fn a_listener_that_panics_at_rollback_leaves_no_value_of_the_transaction() {
    let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&armed);
    let (_database, engine) = on_file(move |event| {
        assert!(
            !(matches!(event, aludel::Event::Rollback { .. }) && seen.swap(false, Ordering::SeqCst)),
            "listener"
        );
    });
    let mut s = engine.session();
    armed.store(true, Ordering::SeqCst);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        s.begin(|s| {
            let a = s.get_one::<Account>(1)?;
            s.edit(a)?.balance = 999;
            s.flush()?;
            Err::<(), _>(aludel::Error::misuse("no"))
        })
    }));
    drop(caught);
    s.begin(|s| {
        let a = s.get_one::<Account>(1)?;
        s.edit(a)?.balance += 1;
        Ok(())
    })
    .unwrap();
    drop(s);
    assert_eq!(balance(&engine, 1), 101);
}

#[test]
fn a_listener_that_panics_at_commit_does_not_turn_it_into_a_panic() {
    let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&armed);
    let (_database, engine) = on_file(move |event| {
        assert!(
            !(matches!(event, aludel::Event::Commit { .. }) && seen.swap(false, Ordering::SeqCst)),
            "listener"
        );
    });
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    armed.store(true, Ordering::SeqCst);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        engine.begin(|s| {
            s.on_commit(move || {
                tell.fetch_add(1, Ordering::SeqCst);
            });
            diesel::update(accounts::table.find(1))
                .set(accounts::balance.eq(5))
                .execute(s)?;
            Ok(())
        })
    }));
    assert_eq!(balance(&engine, 1), 5); // it was committed
    assert_eq!(
        (caught.is_ok(), told.load(Ordering::SeqCst)),
        (true, 1),
        "the hook was lost, and the caller thinks it failed"
    );
}

#[test]
fn a_pool_timeout_names_the_place_of_the_user() {
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .pool_timeout(std::time::Duration::ZERO)
        .build()
        .unwrap();
    let mut s = engine.session();
    diesel::sql_query("SELECT 1").execute(&mut s).unwrap();
    let error = engine.begin(|_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("regressions.rs"), "{error}");
}

mod recorded {
    diesel::table! { __diesel_schema_migrations (version) { version -> Text, } }
}

/// What a session commits by the way is a commit to its hooks and its objects, too.
#[test]
fn hooks_and_objects_follow_the_commit_of_a_migration_without_a_transaction() {
    let engine = bank();
    engine
        .begin(|s| Ok(s.batch_execute("CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY)")?))
        .unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let mut s = engine.session();
    let third = s.add(Account { id: 3, balance: 300 });
    let count = heard.clone();
    s.on_commit(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    diesel::insert_into(recorded::__diesel_schema_migrations::table)
        .values(recorded::__diesel_schema_migrations::version.eq("1"))
        .execute(&mut s)
        .unwrap();
    assert!(!s.in_transaction());
    assert_eq!(heard.load(Ordering::SeqCst), 1, "the hook waited for this commit");
    s.rollback().unwrap();
    assert_eq!(
        s.read(third).unwrap().balance,
        300,
        "it was committed, and is no object that a ROLLBACK takes away"
    );
}
