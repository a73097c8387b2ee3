//! Isolation levels, read-only, deferrable and AUTOCOMMIT on PostgreSQL, which takes all of it in BEGIN.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::pool::PrePing;
use aludel::prelude::*;
use aludel::{Error, Outcome, Phase, RetryPolicy};
use aludel_tests::{EventLog, stories as watched};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::bank::{ANN, BOB, Bank, PgSession, accounts, look, pay};

const CONCURRENT: EmbeddedMigrations = embed_migrations!("postgres/concurrent_migrations");
const AUTOCOMMIT: ExecutionOptions = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
const REPORT: ExecutionOptions = ExecutionOptions::new()
    .isolation_level(IsolationLevel::Serializable)
    .read_only()
    .deferrable();
const ALL: [&str; 3] = [
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

fn setting(connection: &mut impl LoadConnection<Backend = Pg>, name: &str) -> String {
    diesel::select(sql::<Text>(&format!("current_setting('{name}')")))
        .get_result(connection)
        .expect("the server has it")
}

/// What the server says of the transaction that is open, or of a statement that stands for itself.
fn told(connection: &mut impl LoadConnection<Backend = Pg>) -> [String; 3] {
    ALL.map(|name| setting(connection, name))
}

/// One connection, so that whoever comes next has what the last one left.
fn narrow(name: &str) -> Bank {
    Bank::open_with(name, |builder| builder.pool_size(1).max_overflow(0))
}

fn watch(session: &mut PgSession) -> EventLog {
    let statements = EventLog::new();
    session.set_instrumentation(watched::statements(&statements));
    statements
}

#[test]
fn everything_is_in_begin_and_nothing_where_nothing_is_asked_for() -> aludel::Result<()> {
    let bank = narrow("in_begin");
    let mut session = bank.engine.execution_options(REPORT)?.session();
    let statements = watch(&mut session);
    session.begin(|session| Ok(look(session)?))?;
    statements.expect(&[
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        "SELECT TRUE",
        "COMMIT",
    ]);
    session
        .build_transaction()
        .repeatable_read()
        .read_write()
        .not_deferrable()
        .run(|session| Ok(look(session)?))?;
    statements.expect(&[
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE, NOT DEFERRABLE",
        "SELECT TRUE",
        "COMMIT",
    ]);
    let mut session = bank.engine.session();
    let statements = watch(&mut session);
    session.begin(|session| Ok(look(session)?))?;
    statements.expect(&["BEGIN", "SELECT TRUE", "COMMIT"]);
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn isolation_level() -> aludel::Result<()> {
    let bank = narrow("isolation_level");
    let levels = [
        IsolationLevel::ReadUncommitted,
        IsolationLevel::RepeatableRead,
        IsolationLevel::Serializable,
        IsolationLevel::ReadCommitted,
    ];
    for level in levels {
        let engine = bank
            .engine
            .execution_options(ExecutionOptions::new().isolation_level(level))?;
        let mut connection = engine.connect();
        assert_eq!(connection.isolation_level()?, level, "of the next transaction");
        look(&mut connection)?;
        assert_eq!(connection.isolation_level()?, level, "of this one");
        assert_eq!(
            setting(&mut connection, "transaction_isolation"),
            level.sql().to_lowercase()
        );
        drop(connection);
        assert_eq!(bank.engine.connect().isolation_level()?, IsolationLevel::ReadCommitted);
    }
    assert_eq!(
        bank.engine.default_isolation_level(),
        Some(IsolationLevel::ReadCommitted)
    );
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn reset_level_with_setting() -> aludel::Result<()> {
    let bank = Bank::open_with("with_setting", |builder| {
        builder
            .pool_size(1)
            .max_overflow(0)
            .isolation_level(IsolationLevel::RepeatableRead)
    });
    let mut connection = bank.engine.connect();
    connection.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Serializable))?;
    look(&mut connection)?;
    assert_eq!(connection.isolation_level()?, IsolationLevel::Serializable);
    drop(connection);
    assert_eq!(bank.engine.connect().isolation_level()?, IsolationLevel::RepeatableRead);
    assert_eq!(
        setting(&mut *bank.engine.raw_connection()?, "transaction_isolation"),
        "repeatable read"
    );
    assert_eq!(
        bank.engine.default_isolation_level(),
        Some(IsolationLevel::ReadCommitted),
        "what it was before ours"
    );
    Ok(())
}

#[test]
fn readonly_flag_connection_and_deferrable_flag_connection() -> aludel::Result<()> {
    let bank = narrow("flag_connection");
    let mut connection = bank.engine.connect();
    connection.execution_options(REPORT)?;
    assert_eq!(told(&mut connection), ["serializable", "on", "on"]);
    assert_eq!(connection.access_mode()?, AccessMode::ReadOnly);
    connection.rollback()?;
    // reset on return
    drop(connection);
    assert_eq!(told(&mut bank.engine.connect()), ["read committed", "off", "off"]);
    Ok(())
}

#[test]
fn readonly_flag_engine_and_deferrable_flag_engine() -> aludel::Result<()> {
    let bank = Bank::open_with("flag_engine", |builder| {
        builder
            .isolation_level(IsolationLevel::Serializable)
            .access_mode(AccessMode::ReadOnly)
            .deferrable(Deferrable::Deferrable)
    });
    for _ in 0..2 {
        assert_eq!(told(&mut bank.engine.session()), ["serializable", "on", "on"]);
        assert_eq!(told(&mut *bank.engine.raw_connection()?), ["serializable", "on", "on"]);
        bank.engine.dispose();
    }
    let writer = bank.engine.execution_options(ExecutionOptions::new().read_write())?;
    writer.begin(|session| Ok(pay(session, ANN, -100)?))?;
    assert_eq!(bank.books().0, 400);
    Ok(())
}

#[test]
fn a_read_only_transaction_is_refused_to_write_and_nobody_takes_the_host_for_a_standby() -> aludel::Result<()> {
    let bank = narrow("read_only");
    let mut runs = 0;
    let refused = bank
        .engine
        .session()
        .build_transaction()
        .read_only()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            Ok(pay(session, ANN, -100)?)
        })
        .unwrap_err();
    let text = "cannot execute UPDATE in a read-only transaction";
    assert!(refused.to_string().starts_with(text), "{refused}");
    assert_eq!(
        (refused.class(), refused.outcome(), runs),
        (Class::Permanent, Some(Outcome::RolledBack), 1)
    );
    // A savepoint survives it, as it survives any other error.
    bank.engine.session().build_transaction().read_only().run(|session| {
        assert!(session.begin_nested(|nested| Ok(pay(nested, ANN, -100)?)).is_err());
        Ok(look(session)?)
    })?;
    assert_eq!(bank.engine.pool().closed(), 0);
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn no_borrower_sees_the_mode_of_the_last_one() -> aludel::Result<()> {
    let bank = narrow("foreign");
    let after = |story: &str| -> aludel::Result<()> {
        let seen = bank.engine.begin(|session| Ok(told(session)))?;
        assert_eq!(seen, ["read committed", "off", "off"], "after {story}");
        assert_eq!(
            told(&mut *bank.engine.pool().checkout()?),
            ["read committed", "off", "off"],
            "after {story}"
        );
        Ok(())
    };
    for (name, options) in [
        ("a report", REPORT),
        ("AUTOCOMMIT", AUTOCOMMIT.read_only().deferrable()),
    ] {
        let reader = bank.engine.execution_options(options)?;
        let mut session = reader.session();
        assert_eq!(told(&mut session)[1..], ["on", "on"]);
        session.commit()?;
        after(&format!("{name}, committed"))?;

        assert!(pay(&mut session, ANN, 1).is_err());
        drop(session);
        after(&format!("{name}, an error"))?;

        let mut session = reader.session();
        look(&mut session)?;
        let panics = AssertUnwindSafe(move || {
            let _session = session;
            panic!("on purpose")
        });
        catch_unwind(panics).unwrap_err();
        after(&format!("{name}, a panic"))?;

        let mut connection = reader.connect();
        look(&mut connection)?;
        connection.invalidate("for the test");
        drop(connection);
        after(&format!("{name}, an invalidate"))?;

        let mut session = reader.session();
        look(&mut session)?;
        bank.server.terminate(bank.server.connections(bank.database.name())[0]);
        assert!(Error::from(look(&mut session).unwrap_err()).is_disconnect());
        drop(session);
        after(&format!("{name}, a lost connection"))?;
    }
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn a_serializable_transaction_runs_again_after_a_conflict() -> aludel::Result<()> {
    let bank = Bank::open("serializable");
    let sum = accounts::table.select(diesel::dsl::sql::<diesel::sql_types::BigInt>("SUM(balance)::BIGINT"));
    let mut first = true;
    let other = bank.engine.clone();
    bank.engine
        .session()
        .build_transaction()
        .serializable()
        .retry(&RetryPolicy::new(), |session| {
            let before: i64 = sum.clone().get_result(session)?;
            if std::mem::take(&mut first) {
                // Each reads what the other one writes: no order of the two explains both.
                other.session().build_transaction().serializable().run(|other| {
                    let _: i64 = sum.clone().get_result(other)?;
                    Ok(pay(other, BOB, 1)?)
                })?;
            }
            pay(session, ANN, before)?;
            Ok(())
        })?;
    assert_eq!(
        bank.books().0,
        500 + 1001,
        "the second attempt saw the other one's coin"
    );
    assert_eq!(bank.times("rerun closure, attempt 2, after retry"), 1);
    Ok(())
}

// ---- AUTOCOMMIT ---------------------------------------------------------------------------------------------------

#[test]
fn autocommit_isolation_level() -> aludel::Result<()> {
    let bank = Bank::open_with("autocommit", |builder| {
        builder
            .pool_size(1)
            .max_overflow(0)
            .pool_pre_ping(PrePing::Always)
            .isolation_level(IsolationLevel::Autocommit)
    });
    let mut session = bank.engine.session();
    let statements = watch(&mut session);
    assert_eq!(session.isolation_level()?, IsolationLevel::Autocommit);
    session.batch_execute("UPDATE accounts SET balance = 400 WHERE id = 1")?;
    assert_eq!(bank.books().0, 400, "it is there at once");
    assert!(session.batch_execute("INSERT INTO nowhere VALUES (1)").is_err());
    session.batch_execute("UPDATE accounts SET balance = 300 WHERE id = 1")?; // no doomed transaction is in the way
    session.rollback()?;
    session.batch_execute("VACUUM accounts")?;
    session.batch_execute("CREATE INDEX CONCURRENTLY by_balance ON accounts (balance)")?;
    session.commit()?;
    drop(session);
    assert_eq!(bank.books().0, 300);
    statements.expect(&[
        "UPDATE accounts SET balance = 400 WHERE id = 1",
        "INSERT INTO nowhere VALUES (1)",
        "UPDATE accounts SET balance = 300 WHERE id = 1",
        "VACUUM accounts",
        "CREATE INDEX CONCURRENTLY by_balance ON accounts (balance)",
    ]);
    // The ping of the second checkout leaves the mode alone.
    bank.log.expect(&["fault permanent in Statement", "ping"]);
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn read_only_and_autocommit_is_enforced_by_the_server() -> aludel::Result<()> {
    let bank = narrow("autocommit_read_only");
    let mut session = bank.engine.execution_options(AUTOCOMMIT.read_only())?.session();
    let statements = watch(&mut session);
    look(&mut session)?;
    look(&mut session)?;
    // A SELECT that writes, which nobody can see from outside.
    session.with_raw(|raw| {
        let refused = raw.batch_execute("SELECT nextval('ledger_id_seq')").unwrap_err();
        assert!(refused.to_string().contains("read-only transaction"), "{refused}");
        Ok(())
    })?;
    let refused = Error::from(pay(&mut session, ANN, 1).unwrap_err());
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");
    session.commit()?;
    let sent = statements.take();
    assert_eq!(
        sent[..3],
        [
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SELECT TRUE",
            "SELECT TRUE"
        ]
    );
    assert_eq!(
        sent.last().map(String::as_str),
        Some("SET SESSION default_transaction_read_only TO DEFAULT")
    );
    assert_eq!(bank.engine.pool().closed(), 0, "nobody takes the host for a standby");
    bank.engine.begin(|session| Ok(pay(session, ANN, 1)?))?;
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn a_lost_connection_in_autocommit_retires_its_generation_and_needs_no_rollback() -> aludel::Result<()> {
    let bank = Bank::open("autocommit_lost");
    drop((bank.engine.raw_connection()?, bank.engine.raw_connection()?));
    let mut session = bank.engine.execution_options(AUTOCOMMIT.read_only())?.session();
    look(&mut session)?;
    bank.kill_all();
    let lost = Error::from(look(&mut session).unwrap_err());
    assert!(lost.is_disconnect(), "{lost}");
    look(&mut session)?;
    assert!(pay(&mut session, ANN, 1).is_err(), "the mode is there again");
    drop(session);
    look(&mut bank.engine.session())?;
    assert_eq!(bank.times("retire"), 1);
    // One that died in the pool costs nobody an error as long as nothing but a mode was to be set.
    bank.kill_all();
    look(&mut bank.engine.execution_options(AUTOCOMMIT.read_only())?.session())?;
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn the_mode_dies_before_it_is_put_back() -> aludel::Result<()> {
    let bank = narrow("put_back");
    let mut session = bank.engine.execution_options(AUTOCOMMIT.read_only())?.session();
    look(&mut session)?;
    bank.kill_before(Phase::Rollback, &mut session);
    session.commit()?;
    assert_eq!(bank.engine.pool().closed(), 1);
    bank.engine.begin(|session| Ok(pay(session, ANN, 1)?))?;
    Ok(())
}

#[test]
fn migrations_that_no_transaction_takes_run_in_autocommit() {
    let bank = Bank::open("concurrent");
    let refused = bank.engine.session().run_pending_migrations(CONCURRENT).unwrap_err();
    assert!(
        refused.to_string().contains("cannot run inside a transaction block"),
        "{refused}"
    );
    let autocommit = bank.engine.execution_options(AUTOCOMMIT).expect("PostgreSQL has it");
    let mut session = autocommit.session();
    assert_eq!(
        session.run_pending_migrations(CONCURRENT).expect("it is sound").len(),
        1
    );
    let valid = sql::<Bool>("(SELECT indisvalid FROM pg_index WHERE indexrelid = 'ledger_account'::regclass)");
    assert!(
        diesel::select(valid)
            .get_result::<bool>(&mut bank.outside())
            .expect("it is there")
    );
    assert!(!session.has_pending_migration(CONCURRENT).expect("it was recorded"));
    session.revert_last_migration(CONCURRENT).expect("it has a way back");
    drop(session);
    bank.expect_whole_pool();
}

/// On an engine of readers the next borrower could write, and on any engine the first statement of a reader could lift its
/// mode.
#[test]
fn a_mode_cannot_be_changed_by_the_servers_own_settings() -> aludel::Result<()> {
    let bank = Bank::open_with("settings", |builder| {
        builder.pool_size(1).max_overflow(0).access_mode(AccessMode::ReadOnly)
    });
    let mut session = bank.engine.session();
    for setting in [
        "SESSION default_transaction_read_only = off",
        "default_transaction_isolation TO 'serializable'",
        "LOCAL transaction_read_only = off",
        "transaction_isolation = 'serializable'",
    ] {
        let refused = session
            .batch_execute(&format!("SET {setting}"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("execution_options"), "{setting}: {refused}");
    }
    session.batch_execute("SET work_mem = '7MB'")?;
    session.commit()?;
    drop(session);
    let refused = bank.engine.begin(|session| Ok(pay(session, ANN, 1)?)).unwrap_err();
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");
    Ok(())
}
