//! Isolation levels, access modes and AUTOCOMMIT on MariaDB, which has words for the next transaction alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aludel::dialect::MysqlConnectArgs;
use aludel::prelude::*;
use aludel::{Phase, RetryPolicy};
use aludel_tests::{EventLog, stories as watched};
use aludel_tests::{mariadb, poll};
use diesel::connection::{Connection as _, InstrumentationEvent, LoadConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::BigInt;

use crate::stories::{Bank, accounts, backend, withdraw};

type MySession = Session<MysqlConnection>;

const AUTOCOMMIT: ExecutionOptions = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);

/// What a transaction sees of another one's work, which is what levels are about.
fn level_seen(bank: &Bank, session: &mut MySession) -> aludel::Result<&'static str> {
    let version = |session: &mut MySession| -> aludel::Result<i32> {
        let bob = accounts::table.find(2).select(accounts::version);
        Ok(bob.first(session)?)
    };
    let before = version(session)?;
    let mut other = bank.outside();
    let locked = other.batch_execute("SELECT id FROM accounts WHERE id = 2 FOR UPDATE NOWAIT");
    if locked.is_err() {
        return Ok("SERIALIZABLE");
    }
    other.batch_execute("BEGIN; UPDATE accounts SET version = version + 1 WHERE id = 2")?;
    if version(session)? != before {
        // Told to, not left to the end of its connection, of which the server may hear late.
        other.batch_execute("ROLLBACK")?;
        return Ok("READ UNCOMMITTED");
    }
    other.batch_execute("COMMIT")?;
    Ok(if version(session)? == before {
        "REPEATABLE READ"
    } else {
        "READ COMMITTED"
    })
}

fn variable(connection: &mut impl LoadConnection<Backend = Mysql>, name: &str) -> i64 {
    diesel::select(sql::<BigInt>(&format!("@@SESSION.{name}")))
        .get_result(connection)
        .expect("the server has it")
}

/// One connection, so that whoever comes next has what the last one left.
fn narrow(bank: &Bank, log: &EventLog) -> Engine<MysqlConnection> {
    Engine::builder(bank.database.url())
        .pool_size(1)
        .max_overflow(0)
        .faults(bank.script.clone())
        .listen(watched::outline(log))
        .build()
        .expect("the URL of a test is sound")
}

#[test]
fn isolation_level() -> aludel::Result<()> {
    let bank = Bank::open("isolation_level");
    let mut session = bank.engine.session();
    let levels = [
        IsolationLevel::ReadUncommitted,
        IsolationLevel::ReadCommitted,
        IsolationLevel::Serializable,
        IsolationLevel::RepeatableRead,
    ];
    for level in levels {
        let own = session.build_transaction().isolation_level(level).run(|session| {
            assert_eq!(session.isolation_level()?, level);
            level_seen(&bank, session)
        })?;
        assert_eq!(own, level.sql());
        let next = session.begin(|session| level_seen(&bank, session))?;
        assert_eq!(next, "REPEATABLE READ", "the one after {level}");
    }
    assert_eq!(
        bank.engine.default_isolation_level(),
        Some(IsolationLevel::RepeatableRead)
    );
    assert_eq!(bank.engine.pool().opened(), 1);
    bank.assert_whole();
    Ok(())
}

#[test]
fn what_is_sent_is_prepared_once_and_nothing_where_nothing_is_asked_for() -> aludel::Result<()> {
    let bank = Bank::open("sent");
    let log = EventLog::new();
    let engine = narrow(&bank, &log);
    let reader = engine.execution_options(
        ExecutionOptions::new()
            .isolation_level(IsolationLevel::ReadCommitted)
            .read_only(),
    )?;
    let mut session = reader.session();
    let statements = EventLog::new();
    session.set_instrumentation(watched::statements(&statements));
    session.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    statements.expect(&[
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "START TRANSACTION READ ONLY",
        "SELECT 1",
        "COMMIT",
    ]);
    drop(session);

    let prepared = || {
        let query =
            "SELECT variable_value + 0 FROM information_schema.session_status WHERE variable_name = 'COM_STMT_PREPARE'";
        let mut raw = engine.pool().checkout().expect("one is free");
        diesel::select(sql::<diesel::sql_types::Double>(&format!("({query})")))
            .get_result::<f64>(&mut *raw)
            .expect("anybody may look")
    };
    prepared();
    let before = prepared();
    reader.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    let again = prepared() - before;
    assert!(
        (again - 1.0).abs() < 0.5,
        "nothing but the question itself was prepared again: {again}"
    );

    let mut session = engine.session();
    session.set_instrumentation(watched::statements(&statements));
    session.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    statements.expect(&["BEGIN", "SELECT 1", "COMMIT"]);
    Ok(())
}

#[test]
fn ddl_begins_anew_at_the_same_level() -> aludel::Result<()> {
    let bank = Bank::open("ddl_level");
    let level = bank
        .engine
        .session()
        .build_transaction()
        .read_committed()
        .run(|session| {
            session.batch_execute("CREATE TABLE scratch (id INT)")?;
            level_seen(&bank, session)
        })?;
    assert_eq!(level, "READ COMMITTED");
    Ok(())
}

#[test]
fn a_read_only_transaction_is_refused_to_write_and_nobody_takes_the_host_for_a_standby() -> aludel::Result<()> {
    let bank = Bank::open("read_only");
    let mut runs = 0;
    let refused = bank
        .engine
        .session()
        .build_transaction()
        .read_only()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            withdraw(session, 1, 100)
        })
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("Cannot execute statement in a READ ONLY transaction"),
        "{refused}"
    );
    assert_eq!((refused.class(), runs), (Class::Permanent, 1));
    assert_eq!(bank.engine.pool().closed(), 0);
    bank.engine.begin(|session| withdraw(session, 1, 100))?;
    assert_eq!(bank.balances(), [400, 0]);
    bank.log.expect(&["begin", "rollback", "begin", "commit"]);
    Ok(())
}

#[test]
fn a_value_that_mariadb_does_not_have_is_refused_where_it_is_set() {
    let bank = Bank::open("refused");
    let text = "MariaDB or MySQL has no DEFERRABLE transactions; PostgreSQL alone does";
    let deferrable = ExecutionOptions::new().deferrable();
    let mut session = bank.engine.session();
    let refusals = [
        Engine::<MysqlConnection>::builder(bank.database.url())
            .deferrable(Deferrable::Deferrable)
            .build()
            .unwrap_err(),
        bank.engine.execution_options(deferrable).unwrap_err(),
        session.execution_options(deferrable).unwrap_err(),
        session.build_transaction().deferrable().run(|_| Ok(())).unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.to_string(), text);
    }
    let unknown = IsolationLevel::parse::<MysqlConnection>("snapshot").unwrap_err();
    assert!(
        unknown
            .to_string()
            .ends_with("valid are SERIALIZABLE, REPEATABLE READ, READ COMMITTED, READ UNCOMMITTED, AUTOCOMMIT"),
        "{unknown}"
    );
}

#[test]
fn no_borrower_sees_the_level_or_the_mode_of_the_last_one() -> aludel::Result<()> {
    let bank = Bank::open("foreign");
    let log = EventLog::new();
    let engine = narrow(&bank, &log);
    let serializable = ExecutionOptions::new()
        .isolation_level(IsolationLevel::Serializable)
        .read_only();
    let reader = engine.execution_options(serializable)?;
    let after = |story: &str| -> aludel::Result<()> {
        let level = engine.begin(|session| {
            let level = level_seen(&bank, session)?;
            withdraw(session, 1, 1)?;
            Ok(level)
        })?;
        assert_eq!(level, "REPEATABLE READ", "after {story}");
        let mut raw = engine.pool().checkout()?;
        assert_eq!(variable(&mut *raw, "tx_read_only"), 0, "after {story}");
        Ok(())
    };
    let read = |session: &mut MySession| Ok(session.batch_execute("SELECT COUNT(*) FROM accounts")?);

    reader.begin(read)?;
    after("a commit")?;
    reader.begin(|session| withdraw(session, 1, 1)).unwrap_err();
    after("an error")?;
    catch_unwind(AssertUnwindSafe(|| {
        reader.begin(|_| -> aludel::Result<()> { panic!("on purpose") })
    }))
    .unwrap_err();
    after("a panic")?;
    let mut connection = reader.connect();
    connection.batch_execute("SELECT 1")?;
    connection.invalidate("for the test");
    drop(connection);
    after("an invalidate")?;

    let killed = reader.begin(|session| {
        read(session)?;
        bank.server.kill(backend(session)?);
        read(session)
    });
    assert!(killed.unwrap_err().is_disconnect());
    after("a lost connection")?;

    // SET TRANSACTION has been answered and START TRANSACTION has not: it would hold for whoever comes next.
    for lost in [false, true] {
        let name = bank.database.name().to_owned();
        let mut session = reader.session();
        if lost {
            let (server, id) = (bank.server, mariadb::connection_id(&mut *engine.pool().checkout()?));
            session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event
                    && query.to_string().starts_with("START TRANSACTION")
                    && server.connections(&name).contains(&id)
                {
                    server.kill(id);
                }
            });
            session.begin(read)?; // BEGIN is repeated on another connection
        } else {
            bank.script.fail_after(
                Phase::Begin,
                DatabaseErrorKind::CheckViolation,
                "one that no question is asked about",
            );
            session.begin(read).unwrap_err();
        }
        assert_eq!(bank.script.remaining(), 0);
        drop(session);
        after("a BEGIN that came half-way")?;
    }

    let mut session = engine.execution_options(AUTOCOMMIT.read_only())?.session();
    read(&mut session)?;
    drop(session);
    after("a reader in AUTOCOMMIT")?;
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn autocommit_isolation_level() -> aludel::Result<()> {
    let bank = Bank::open("autocommit");
    let engine = bank.engine.execution_options(AUTOCOMMIT)?;
    let mut session = engine.session();
    assert_eq!(session.isolation_level()?, IsolationLevel::Autocommit);
    let statements = EventLog::new();
    session.set_instrumentation(watched::statements(&statements));
    session.batch_execute("UPDATE accounts SET balance = 400 WHERE id = 1")?;
    assert_eq!(bank.balances(), [400, 0], "it is there at once");
    session.batch_execute("CREATE TABLE scratch (id INT)")?;
    session.batch_execute("INSERT INTO scratch VALUES (1)")?;
    session.rollback()?;
    drop(session);
    statements.expect(&[
        "UPDATE accounts SET balance = 400 WHERE id = 1",
        "CREATE TABLE scratch (id INT)",
        "INSERT INTO scratch VALUES (1)",
    ]);
    assert!(engine.begin(|session| withdraw(session, 1, 1)).is_err());
    bank.log.expect(&[]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_killed_connection_in_autocommit_costs_its_statement_and_no_rollback() -> aludel::Result<()> {
    let bank = Bank::open("autocommit_killed");
    let mut session = bank.engine.execution_options(AUTOCOMMIT.read_only())?.session();
    bank.kill_before(&mut session, Phase::Statement)?;
    let lost = session
        .batch_execute("SELECT 1")
        .map_err(aludel::Error::from)
        .unwrap_err();
    assert!(lost.is_disconnect(), "{lost}");
    assert_eq!(bank.engine.pool().closed(), 1);
    session.batch_execute("SELECT 1")?;
    let refused = withdraw(&mut session, 1, 100).unwrap_err();
    assert!(
        refused.to_string().contains("READ ONLY transaction"),
        "the mode is there again: {refused}"
    );
    drop(session);
    bank.assert_whole();
    Ok(())
}

#[test]
fn the_servers_own_defaults_come_back_and_autocommit_is_on_whatever_they_are() -> aludel::Result<()> {
    let server = mariadb::private();
    let database = server.database("defaults");
    server.execute_in(database.name(), "CREATE TABLE t (a INT) ENGINE=InnoDB");
    server.execute("SET GLOBAL autocommit = 0");
    server.execute("SET GLOBAL tx_isolation = 'READ-COMMITTED'");
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .pool_size(1)
        .max_overflow(0)
        .build()?;
    let plain = engine.execution_options(AUTOCOMMIT)?;
    plain.session().batch_execute("INSERT INTO t VALUES (1)")?;
    let mut outside = MysqlConnection::establish(database.url()).expect("the server runs");
    let seen: i64 = diesel::select(sql::<BigInt>("(SELECT COUNT(*) FROM t)")).get_result(&mut outside)?;
    assert_eq!(seen, 1);
    assert_eq!(engine.default_isolation_level(), Some(IsolationLevel::ReadCommitted));

    server.execute("SET GLOBAL tx_read_only = 1");
    engine.dispose();
    let mut writer = engine.execution_options(AUTOCOMMIT.read_write())?.session();
    writer.batch_execute("INSERT INTO t VALUES (2)")?;
    drop(writer);
    assert_eq!(
        variable(&mut *engine.pool().checkout()?, "tx_read_only"),
        1,
        "as the server says"
    );
    assert_eq!(engine.session().access_mode()?, AccessMode::ReadOnly);
    engine
        .session()
        .build_transaction()
        .read_write()
        .run(|session| Ok(session.batch_execute("INSERT INTO t VALUES (3)")?))?;
    assert_eq!(engine.pool().closed(), 1, "by dispose, and nobody else");
    Ok(())
}

#[test]
fn a_full_reset_leaves_nothing_to_the_next_borrower() -> aludel::Result<()> {
    let bank = Bank::open("full_reset");
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .pool_size(1)
        .max_overflow(0)
        .pool_reset_on_return(ResetOnReturn::Full)
        .build()?;
    engine.begin(|session| {
        session.batch_execute("SET @note = 7")?;
        session.batch_execute("SET SESSION sort_buffer_size = 1048576")?;
        session.batch_execute("CREATE TEMPORARY TABLE scratch (id INT)")?;
        let got: i64 = diesel::select(sql::<BigInt>("GET_LOCK('aludel.full_reset', 0)")).get_result(session)?;
        assert_eq!(got, 1);
        Ok(())
    })?;
    engine.begin(|session| {
        let note: Option<i64> =
            diesel::select(sql::<diesel::sql_types::Nullable<BigInt>>("@note")).get_result(session)?;
        assert_eq!(note, None);
        assert_ne!(variable(session, "sort_buffer_size"), 1_048_576);
        assert!(session.batch_execute("SELECT * FROM scratch").is_err());
        // The server hears of the end of the connection that had the lock when it hears of it.
        poll::until("the lock of the last borrower is free", Duration::from_secs(30), || {
            let free = diesel::select(sql::<BigInt>("IS_FREE_LOCK('aludel.full_reset')")).get_result::<i64>(session);
            (free == Ok(1)).then_some(())
        });
        Ok(())
    })?;
    assert_eq!(engine.pool().closed(), 2, "each was replaced");
    Ok(())
}

#[test]
fn a_transaction_that_a_procedure_left_open_in_autocommit_is_rolled_back_and_told() -> aludel::Result<()> {
    let bank = Bank::open("left_open");
    bank.outside().batch_execute(
        "CREATE PROCEDURE go_away() BEGIN START TRANSACTION; UPDATE accounts SET balance = 0; END;
         CREATE PROCEDURE fail() BEGIN START TRANSACTION; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'; END",
    )?;
    let log = EventLog::new();
    let engine = narrow(&bank, &log);
    let mut session = engine.execution_options(AUTOCOMMIT)?.session();
    for statement in [
        "CALL go_away()",
        "EXECUTE IMMEDIATE 'START TRANSACTION'",
        "CREATE TABLE IF NOT EXISTS scratch (id INT); CALL go_away()",
    ] {
        let told = session
            .batch_execute(statement)
            .map_err(aludel::Error::from)
            .unwrap_err();
        assert!(
            told.to_string().contains("left a transaction open"),
            "{statement}: {told}"
        );
        session.batch_execute("UPDATE accounts SET version = version + 1 WHERE id = 1")?;
    }
    let version: i64 =
        diesel::select(sql::<BigInt>("(SELECT version FROM accounts WHERE id = 1)")).get_result(&mut bank.outside())?;
    assert_eq!(version, 4, "each of them was committed by itself");

    let told = diesel::sql_query("CALL go_away()").execute(&mut session).unwrap_err();
    assert!(told.to_string().contains("left a transaction open"), "{told}");
    let failed = session.batch_execute("CALL fail()").unwrap_err();
    assert_eq!(failed.to_string(), "on purpose", "its own error stays the error");
    withdraw(&mut session, 1, 100)?;
    assert_eq!(
        bank.balances(),
        [400, 0],
        "it stood for itself, and not in what was left"
    );
    drop(session);
    assert_eq!(variable(&mut *engine.pool().checkout()?, "in_transaction"), 0);
    Ok(())
}

#[test]
fn a_level_cannot_be_left_for_the_next_borrower_by_the_servers_own_variables() -> aludel::Result<()> {
    let bank = Bank::open("variables");
    let log = EventLog::new();
    let engine = narrow(&bank, &log);
    let mut session = engine.execution_options(AUTOCOMMIT)?.session();
    session.batch_execute("SELECT 1")?;
    for statement in [
        "SET @@tx_isolation = 'SERIALIZABLE'",
        "SET SESSION tx_isolation = 'SERIALIZABLE'",
        "SET sql_safe_updates = 0, @@session.tx_read_only = 1",
        "SET transaction_read_only = 1",
    ] {
        let refused = session.batch_execute(statement).unwrap_err().to_string();
        assert!(refused.contains("execution_options"), "{statement}: {refused}");
    }
    session.batch_execute("SET @tx_isolation = 'a variable of the user'")?;
    drop(session);
    let level = engine.begin(|session| {
        let level = level_seen(&bank, session)?;
        withdraw(session, 1, 1)?;
        Ok(level)
    })?;
    assert_eq!(level, "REPEATABLE READ");
    Ok(())
}

#[test]
fn autocommit_is_on_whatever_the_init_command_says() -> aludel::Result<()> {
    let bank = Bank::open("init_autocommit");
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .connect_args(MysqlConnectArgs::new().init_command("SET autocommit = 0"))
        .isolation_level(IsolationLevel::Autocommit)
        .build()?;
    engine
        .session()
        .batch_execute("UPDATE accounts SET balance = 400 WHERE id = 1")?;
    assert_eq!(bank.balances(), [400, 0]);
    Ok(())
}

/// A subscriber of the user's that panics with the line of a statement.
struct Touchy(&'static str);

impl tracing::field::Visit for Touchy {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        assert!(!format!("{value:?}").starts_with(self.0), "on purpose");
    }
}

impl tracing::Subscriber for Touchy {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "aludel.engine"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Self(self.0));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_panic_between_the_level_and_its_begin_leaves_the_level_to_nobody() -> aludel::Result<()> {
    let bank = Bank::open("touchy");
    let log = EventLog::new();
    let engine = narrow(&bank, &log);
    let reads = |session: &mut MySession| Ok(session.batch_execute("SELECT 1")?);
    engine.begin(reads)?;
    let torn = aludel_tests::capture::scoped(Touchy("START TRANSACTION"), || {
        catch_unwind(AssertUnwindSafe(|| {
            let mut session = engine.session();
            session.build_transaction().serializable().read_only().run(reads)
        }))
    });
    torn.unwrap_err();
    let level = engine.begin(|session| level_seen(&bank, session))?;
    assert_eq!(level, "REPEATABLE READ");
    engine.pool().assert_invariants();
    Ok(())
}
