//! Isolation levels and access modes on SQLite, where they are settings of the connection and have to be put back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::dialect::SqliteConnectArgs;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{EngineBuilder, ErrorKind, Exit, Phase, RetryPolicy};
use aludel_tests::{EventLog, sqlite, stories};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::Integer;

const UNCOMMITTED: ExecutionOptions = ExecutionOptions::new().isolation_level(IsolationLevel::ReadUncommitted);

/// One file, one connection: whoever comes next has what the last one left.
struct Shop {
    _file: sqlite::TempDatabase,
    engine: Engine<SqliteConnection>,
    script: FaultScript,
    log: EventLog,
}

impl Shop {
    fn open() -> Self {
        Self::open_with(|builder| builder)
    }

    fn open_with(options: impl FnOnce(EngineBuilder<SqliteConnection>) -> EngineBuilder<SqliteConnection>) -> Self {
        let file = sqlite::file();
        let script = FaultScript::new();
        let mut plain = SqliteConnection::establish(file.path().to_str().expect("UTF-8")).expect("it can be made");
        plain
            .batch_execute("CREATE TABLE t (a INTEGER UNIQUE)")
            .expect("it is empty");
        let builder = Engine::builder(file.url())
            .pool_size(1)
            .max_overflow(0)
            .faults(script.clone());
        Self {
            _file: file,
            engine: options(builder).build().expect("these are good options"),
            script,
            log: EventLog::new(),
        }
    }

    /// What the next borrower finds: `query_only` and `read_uncommitted`.
    fn found(&self) -> (i32, i32) {
        let mut raw = self.engine.pool().checkout().expect("one is free");
        (pragma(&mut *raw, "query_only"), pragma(&mut *raw, "read_uncommitted"))
    }

    fn reader(&self) -> Engine<SqliteConnection> {
        self.engine
            .execution_options(UNCOMMITTED.read_only())
            .expect("SQLite has both")
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    number: i32,
}

fn pragma<C>(connection: &mut C, name: &str) -> i32
where
    C: diesel::connection::LoadConnection<Backend = diesel::sqlite::Sqlite>,
{
    let query = format!("SELECT {name} AS number FROM pragma_{name}");
    diesel::sql_query(query)
        .get_result::<Number>(connection)
        .expect("the pragma can be read")
        .number
}

fn insert(session: &mut Session<SqliteConnection>, a: i32) -> aludel::Result<()> {
    session.batch_execute(&format!("INSERT INTO t VALUES ({a})"))?;
    Ok(())
}

#[test]
fn engine_param_stays() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.isolation_level(IsolationLevel::ReadUncommitted));
    for _ in 0..2 {
        assert_eq!(
            shop.engine.connect().isolation_level()?,
            IsolationLevel::ReadUncommitted
        );
        assert_eq!(shop.found(), (0, 1), "a raw connection has it, too");
        shop.engine.dispose();
    }
    Ok(())
}

#[test]
fn default_level() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.isolation_level(IsolationLevel::ReadUncommitted));
    assert_eq!(shop.engine.default_isolation_level(), None);
    drop(shop.engine.raw_connection()?);
    assert_eq!(
        shop.engine.default_isolation_level(),
        Some(IsolationLevel::Serializable),
        "what it was before ours"
    );
    shop.engine.dispose();
    assert_eq!(
        shop.engine.default_isolation_level(),
        Some(IsolationLevel::Serializable)
    );
    assert_eq!(
        shop.reader().default_isolation_level(),
        Some(IsolationLevel::Serializable),
        "one for all"
    );
    Ok(())
}

#[test]
fn invalid_level_engine_param_and_invalid_level_execution_option() {
    let text = "SQLite has no isolation level REPEATABLE READ; valid are SERIALIZABLE, READ UNCOMMITTED, AUTOCOMMIT";
    let refused = Engine::<SqliteConnection>::builder("sqlite://")
        .isolation_level(IsolationLevel::RepeatableRead)
        .build()
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string().as_str()),
        (ErrorKind::Configuration, text)
    );

    let shop = Shop::open();
    let wrong = ExecutionOptions::new().isolation_level(IsolationLevel::RepeatableRead);
    let deferrable = ExecutionOptions::new().not_deferrable();
    let mut session = shop.engine.session();
    let refusals = [
        Engine::<SqliteConnection>::builder("sqlite://")
            .execution_options(wrong)
            .build()
            .unwrap_err(),
        shop.engine.execution_options(wrong).unwrap_err(),
        shop.engine.connect().execution_options(wrong).unwrap_err(),
        session.execution_options(wrong).unwrap_err(),
        session
            .build_transaction()
            .repeatable_read()
            .run(|_| Ok(()))
            .unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.to_string(), text);
    }
    let text = "SQLite has no NOT DEFERRABLE transactions; PostgreSQL alone does";
    assert_eq!(session.execution_options(deferrable).unwrap_err().to_string(), text);
    let none = session
        .build_transaction()
        .isolation_level(IsolationLevel::Autocommit)
        .run(|_| Ok(()))
        .unwrap_err();
    assert!(
        none.to_string().starts_with("AUTOCOMMIT was asked for a transaction"),
        "{none}"
    );
    assert_eq!(shop.engine.pool().opened(), 0, "nobody had to be asked");
}

#[test]
fn a_full_reset_of_a_database_in_memory_is_refused() {
    let refused = Engine::<SqliteConnection>::builder("sqlite://")
        .pool_reset_on_return(ResetOnReturn::Full)
        .build()
        .unwrap_err();
    assert!(
        refused.to_string().contains("a database in memory would be lost"),
        "{refused}"
    );
}

#[test]
fn a_full_reset_of_a_file_leaves_nothing_to_the_next_borrower() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.pool_reset_on_return(ResetOnReturn::Full));
    let cache = shop.engine.begin(|session| {
        let cache = pragma(session, "cache_size");
        session.batch_execute("PRAGMA cache_size = 7; CREATE TEMPORARY TABLE scratch (a INTEGER)")?;
        session.batch_execute("ATTACH ':memory:' AS beside")?;
        assert_eq!(pragma(session, "cache_size"), 7);
        Ok(cache)
    })?;
    shop.engine.begin(|session| {
        assert_eq!(pragma(session, "cache_size"), cache);
        for gone in ["scratch", "beside.sqlite_schema"] {
            let looked = session.begin_nested(|nested| Ok(nested.batch_execute(&format!("SELECT * FROM {gone}"))?));
            assert!(looked.unwrap_err().to_string().starts_with("no such table"), "{gone}");
        }
        Ok(())
    })?;
    assert_eq!(shop.engine.pool().closed(), 2, "each was replaced");
    Ok(())
}

#[test]
fn nothing_that_is_not_asked_for_is_sent() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.isolation_level(IsolationLevel::Serializable));
    let same = shop
        .engine
        .execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Serializable))?;
    for engine in [&shop.engine, &same] {
        let mut session = engine.session();
        session.set_instrumentation(stories::statements(&shop.log));
        session.begin(|session| insert(session, 1))?;
        session.begin(|session| Ok(session.batch_execute("DELETE FROM t")?))?;
        shop.log.expect(&[
            "BEGIN",
            "INSERT INTO t VALUES (1)",
            "COMMIT",
            "BEGIN",
            "DELETE FROM t",
            "COMMIT",
        ]);
    }
    Ok(())
}

#[test]
fn per_option_engine() -> aludel::Result<()> {
    let shop = Shop::open();
    let reader = shop.reader();
    let mut session = reader.session();
    session.set_instrumentation(stories::statements(&shop.log));
    session.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    shop.log.expect(&[
        "PRAGMA read_uncommitted = 1",
        "PRAGMA query_only = 1",
        "BEGIN",
        "SELECT 1",
        "COMMIT",
        "PRAGMA read_uncommitted = 0",
        "PRAGMA query_only = 0",
    ]);
    // The same pool, and the others see nothing of it.
    shop.engine.begin(|session| {
        assert_eq!(session.isolation_level()?, IsolationLevel::Serializable);
        insert(session, 1)
    })?;
    assert_eq!(shop.engine.pool().opened(), 1);
    reader.dispose();
    assert_eq!(shop.engine.pool().checkedin(), 0);
    shop.engine.begin(|session| insert(session, 2))?;
    assert!(reader.begin(|session| insert(session, 3)).is_err());
    assert_eq!(shop.engine.pool().opened(), 2, "and it is one pool still");
    Ok(())
}

#[test]
fn isolation_level_accessors_connection_default_and_option_modified() -> aludel::Result<()> {
    let shop = Shop::open();
    let mut connection = shop.engine.connect();
    assert_eq!(connection.isolation_level()?, IsolationLevel::Serializable);
    assert!(!connection.in_transaction(), "a question begins nothing");
    connection.execution_options(UNCOMMITTED)?;
    assert_eq!(connection.isolation_level()?, IsolationLevel::ReadUncommitted);
    connection.batch_execute("SELECT 1")?;
    assert_eq!(
        connection.isolation_level()?,
        IsolationLevel::ReadUncommitted,
        "asked for"
    );
    assert_eq!(
        shop.engine.default_isolation_level(),
        Some(IsolationLevel::Serializable)
    );
    drop(connection);
    assert_eq!(shop.found(), (0, 0));
    assert_eq!(shop.engine.connect().isolation_level()?, IsolationLevel::Serializable);
    let mut session = shop.engine.session();
    assert_eq!(session.access_mode()?, AccessMode::ReadWrite);
    assert_eq!(shop.engine.pool().checkedout(), 0, "and keeps nothing");
    Ok(())
}

#[test]
fn per_connection() -> aludel::Result<()> {
    let shop = Shop::open();
    let mut connection = shop.engine.connect();
    connection
        .execution_options(UNCOMMITTED)?
        .execution_options(ExecutionOptions::new().read_only())?;
    connection.batch_execute("SELECT 1")?;
    let refused = connection
        .execution_options(ExecutionOptions::new().read_write())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    assert!(
        refused.to_string().contains("end it with commit() or rollback() first"),
        "{refused}"
    );
    // A new raw connection in the place of the old one has what the old one had.
    connection.invalidate("for the test");
    connection.rollback()?;
    connection.batch_execute("SELECT 1")?;
    assert_eq!(pragma(&mut connection, "query_only"), 1);
    assert_eq!(pragma(&mut connection, "read_uncommitted"), 1);
    connection.close()?;
    assert_eq!(shop.found(), (0, 0));
    Ok(())
}

#[test]
fn inner_beats_outer() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.access_mode(AccessMode::ReadOnly));
    assert_eq!(shop.found(), (1, 0));
    let modes = |session: &mut Session<SqliteConnection>| {
        Ok((pragma(session, "query_only"), pragma(session, "read_uncommitted")))
    };
    assert_eq!(shop.engine.begin(modes)?, (1, 0), "the engine's");
    let writer = shop.engine.execution_options(ExecutionOptions::new().read_write())?;
    assert_eq!(writer.begin(modes)?, (0, 0), "the sub-engine's");
    let mut session = writer.session();
    session.execution_options(UNCOMMITTED.read_only())?;
    assert_eq!(session.begin(modes)?, (1, 1), "the session's");
    assert_eq!(
        session.build_transaction().read_write().run(modes)?,
        (0, 1),
        "the transaction's"
    );
    assert_eq!(
        session
            .build_transaction()
            .read_write()
            .retry(&RetryPolicy::new(), modes)?,
        (0, 1)
    );
    assert_eq!(
        session.begin(modes)?,
        (1, 1),
        "and the next one has the session's again"
    );
    drop(session);
    assert_eq!(shop.found(), (1, 0), "back to what the engine was built with");
    Ok(())
}

#[test]
fn a_transaction_of_another_kind_is_not_joined() -> aludel::Result<()> {
    let shop = Shop::open();
    let mut session = shop.engine.session();
    session.build_transaction().read_only().run(|session| {
        session.build_transaction().read_only().run(|_| Ok(()))?;
        session.begin(|_| Ok(()))?;
        let refused = session.build_transaction().read_write().run(|_| Ok(())).unwrap_err();
        let text = "a transaction with READ WRITE was asked for inside one with READ ONLY";
        assert!(refused.to_string().starts_with(text), "{refused}");
        Ok(())
    })?;
    session.begin(|session| {
        let refused = session.build_transaction().serializable().run(|_| Ok(())).unwrap_err();
        assert!(
            refused.to_string().contains("inside one with the server's defaults"),
            "{refused}"
        );
        Ok(())
    })
}

#[test]
fn no_borrower_sees_the_mode_of_the_last_one() -> aludel::Result<()> {
    let shop = Shop::open();
    let reader = shop.reader();
    let after = |story: &str| assert_eq!(shop.found(), (0, 0), "after {story}");

    reader.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    after("a commit");

    let refused = reader.begin(|session| insert(session, 1)).unwrap_err();
    assert!(
        refused.to_string().starts_with("attempt to write a readonly database"),
        "{refused}"
    );
    after("an error");

    reader.begin(|_| Err::<(), _>(Exit::new("enough").into())).unwrap_err();
    after("an exit");

    catch_unwind(AssertUnwindSafe(|| {
        reader.begin(|_| -> aludel::Result<()> { panic!("on purpose") })
    }))
    .unwrap_err();
    after("a panic in a scope");

    let mut session = reader.session();
    session.batch_execute("SELECT 1")?;
    catch_unwind(AssertUnwindSafe(move || {
        let _session = session;
        panic!("on purpose")
    }))
    .unwrap_err();
    after("a panic in a session as you go");

    let mut session = reader.session();
    session.batch_execute("SELECT 1")?;
    drop(session);
    after("a drop");

    let mut connection = reader.connect();
    connection.batch_execute("SELECT 1")?;
    connection.invalidate("for the test");
    drop(connection);
    after("an invalidate");

    shop.script
        .fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "disk I/O error");
    reader
        .begin(|session| Ok(session.batch_execute("SELECT 1")?))
        .unwrap_err();
    after("a COMMIT of unknown outcome");

    shop.script
        .fail_after(Phase::Begin, DatabaseErrorKind::Unknown, "database is locked");
    reader.begin(|_| Ok(())).unwrap_err();
    after("a BEGIN that came half-way");

    let test = |session: &mut Session<SqliteConnection>| session.begin_test_transaction();
    test(&mut reader.session())?;
    after("a test transaction");

    shop.engine.begin(|session| insert(session, 2))?;
    shop.engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn a_connection_that_cannot_be_put_back_is_closed() -> aludel::Result<()> {
    let shop = Shop::open();
    let mut session = shop.reader().session();
    session.batch_execute("SELECT 1")?;
    let closed = shop.engine.pool().closed();
    shop.script
        .fail_before(Phase::Rollback, DatabaseErrorKind::Unknown, "disk I/O error");
    session.commit()?;
    assert_eq!((shop.engine.pool().closed(), shop.script.remaining()), (closed + 1, 0));
    assert_eq!(shop.found(), (0, 0));
    Ok(())
}

#[test]
fn handle_error_event_connect_isolation_level() -> aludel::Result<()> {
    let heard = EventLog::new();
    let hook = heard.clone();
    let shop = Shop::open_with(move |builder| {
        builder.handle_error(move |context| hook.push(format!("{}: {}", context.phase(), context.message())))
    });
    let mut connection = shop.engine.connect();
    connection.batch_execute("SELECT 1")?;
    for in_transaction in [true, false] {
        shop.script
            .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "disk I/O error");
        assert_eq!(connection.in_transaction(), in_transaction);
        assert!(connection.isolation_level().is_err());
        heard.expect(&["statement: disk I/O error"]);
        connection.rollback()?;
    }
    assert_eq!(connection.isolation_level()?, IsolationLevel::Serializable);
    Ok(())
}

/// A rerun takes SQLite's write lock at once, which a reader must not ask for: `BEGIN IMMEDIATE` is a write to `query_only`.
#[test]
fn a_reader_that_met_a_lock_runs_again_as_a_reader() -> aludel::Result<()> {
    let of_its_engine = Shop::open_with(|builder| builder.access_mode(AccessMode::ReadOnly));
    for shop in [Shop::open(), of_its_engine] {
        let locked = || {
            let text = "database is locked";
            shop.script
                .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, text);
        };
        let mut runs = 0;
        let mut read = |session: &mut Session<SqliteConnection>| {
            runs += 1;
            session.batch_execute("SELECT a FROM t")?;
            session.access_mode()
        };
        locked();
        let mut session = shop.engine.session();
        let own = session.build_transaction().read_only();
        assert_eq!(own.retry(&RetryPolicy::new(), &mut read)?, AccessMode::ReadOnly);
        locked();
        let mut session = shop.reader().session();
        assert_eq!(session.retry(&RetryPolicy::new(), &mut read)?, AccessMode::ReadOnly);
        assert_eq!((runs, shop.script.remaining()), (4, 0));
    }
    Ok(())
}

/// What the URL has made read-only stays so when a reader gives its connection back.
#[test]
fn query_only_of_the_url_outlives_a_reader() -> aludel::Result<()> {
    let shop = Shop::open();
    let engine = Engine::<SqliteConnection>::builder(shop.engine.url().clone())
        .connect_args(SqliteConnectArgs::new().query_only(true))
        .pool_size(1)
        .max_overflow(0)
        .faults(shop.script.clone())
        .build()?;
    let reads = |session: &mut Session<SqliteConnection>| Ok(session.batch_execute("SELECT a FROM t")?);
    engine.session().build_transaction().read_only().run(reads)?;
    let refused = engine.begin(|session| insert(session, 1)).unwrap_err();
    assert!(
        refused.to_string().starts_with("attempt to write a readonly database"),
        "{refused}"
    );
    assert_eq!(engine.session().access_mode()?, AccessMode::ReadOnly);
    let text = "database is locked";
    shop.script
        .fail_before(Phase::Statement, DatabaseErrorKind::Unknown, text);
    engine.session().retry(&RetryPolicy::new(), reads)?;
    let mut session = engine.session();
    session
        .build_transaction()
        .read_write()
        .run(|session| insert(session, 1))?; // who asks for it by name may
    engine.begin(|session| insert(session, 2)).unwrap_err();
    Ok(())
}

/// A database in memory has one connection, which is kept whatever happens: not with what could not be put back.
#[test]
fn what_could_not_be_put_back_is_put_back_before_the_only_connection_is_lent_again() -> aludel::Result<()> {
    let script = FaultScript::new();
    let engine = Engine::<SqliteConnection>::builder("sqlite://")
        .faults(script.clone())
        .build()?;
    engine.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?))?;
    let fails = || script.fail_before(Phase::Rollback, DatabaseErrorKind::Unknown, "disk I/O error");
    let mut session = engine.session();
    session.build_transaction().read_only().run(|session| {
        session.batch_execute("SELECT a FROM t")?;
        fails();
        Ok(())
    })?;
    assert_eq!(script.remaining(), 0);
    engine.begin(|session| insert(session, 1))?;
    Ok(())
}

/// As `SET TRANSACTION` elsewhere: it would hold for whoever comes next, and what the engine made read-only could write.
#[test]
fn a_mode_cannot_be_left_for_the_next_borrower_by_a_pragma() -> aludel::Result<()> {
    let shop = Shop::open_with(|builder| builder.access_mode(AccessMode::ReadOnly));
    let mut session = shop.engine.session();
    for pragma in [
        "query_only = 0",
        "query_only(0)",
        "main.query_only=off",
        "read_uncommitted = 1",
    ] {
        let refused = session
            .batch_execute(&format!("PRAGMA {pragma}"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("execution_options"), "{pragma}: {refused}");
    }
    assert_eq!(pragma(&mut session, "query_only"), 1, "it may be asked for");
    session.batch_execute("PRAGMA query_only; PRAGMA cache_size = 100")?;
    drop(session);
    assert_eq!(shop.found(), (1, 0));
    Ok(())
}
