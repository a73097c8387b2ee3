//! What an engine connects with: arguments, a creator, an r2d2 manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::dialect::{JournalMode, SqliteConnectArgs, Synchronous, TempStore};
use aludel::prelude::*;
use aludel::{Error, ErrorKind};
use aludel_tests::sqlite;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, ManageConnection};
use diesel::sql_types::{BigInt, Text};
use diesel::{ConnectionError, ConnectionResult};

fn number(connection: &mut SqliteConnection, pragma: &str) -> i64 {
    diesel::dsl::sql::<BigInt>(&format!("SELECT * FROM pragma_{pragma}"))
        .get_result(connection)
        .expect(pragma)
}

fn text(connection: &mut SqliteConnection, pragma: &str) -> String {
    diesel::dsl::sql::<Text>(&format!("SELECT * FROM pragma_{pragma}"))
        .get_result(connection)
        .expect(pragma)
}

#[test]
fn connect_query() -> aludel::Result<()> {
    let database = sqlite::file();
    let url = format!(
        "{}?busy_timeout=77&journal_mode=WAL&foreign_keys=on&synchronous=normal&cache_size=-4000&temp_store=memory\
         &mmap_size=65536&wal_autocheckpoint=500&locking_mode=normal&recursive_triggers=on&secure_delete=on\
         &trusted_schema=off&query_only=1&mode=rwc",
        database.url()
    );
    let engine = Engine::<SqliteConnection>::new(&url)?;
    let mut raw = engine.raw_connection()?;
    for (pragma, expected) in [
        ("busy_timeout", 77),
        ("foreign_keys", 1),
        ("synchronous", 1),
        ("cache_size", -4_000),
        ("temp_store", 2),
        ("wal_autocheckpoint", 500),
        ("recursive_triggers", 1),
        ("secure_delete", 1),
        ("trusted_schema", 0),
        ("query_only", 1),
    ] {
        let found = match pragma {
            // These two are no tables.
            "wal_autocheckpoint" | "busy_timeout" => read(&mut raw, pragma),
            _ => number(&mut raw, pragma),
        };
        assert_eq!(found, expected, "{pragma}");
    }
    assert_eq!(text(&mut raw, "journal_mode"), "wal");
    assert_eq!(text(&mut raw, "locking_mode"), "normal");
    assert!(
        raw.batch_execute("CREATE TABLE t (a INTEGER)").is_err(),
        "query_only acts"
    );
    Ok(())
}

/// A pragma that answers a column of another name.
fn read(connection: &mut SqliteConnection, pragma: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Timeout {
        #[diesel(sql_type = BigInt)]
        timeout: i64,
    }
    #[derive(QueryableByName)]
    struct Checkpoint {
        #[diesel(sql_type = BigInt)]
        wal_autocheckpoint: i64,
    }
    let query = diesel::sql_query(format!("PRAGMA {pragma}"));
    match pragma {
        "busy_timeout" => query.get_result::<Timeout>(connection).expect(pragma).timeout,
        _ => {
            query
                .get_result::<Checkpoint>(connection)
                .expect(pragma)
                .wal_autocheckpoint
        }
    }
}

#[test]
fn kwargs() -> aludel::Result<()> {
    let database = sqlite::file();
    let engine = Engine::<SqliteConnection>::builder(format!("{}?busy_timeout=1&synchronous=off", database.url()))
        .connect_args(
            SqliteConnectArgs::new()
                .busy_timeout(Duration::from_micros(70_500))
                .journal_mode(JournalMode::Truncate)
                .foreign_keys(true)
                .cache_size(123)
                .temp_store(TempStore::File)
                .mmap_size(0)
                .query_only(false),
        )
        .connect_args(SqliteConnectArgs::new().foreign_keys(false).set("mode", "rwc"))
        .on_connect(|_, info| {
            assert_eq!(info.setup.url.query_values("busy_timeout").collect::<Vec<_>>(), ["71"]);
            Ok(())
        })
        .build()?;
    let mut raw = engine.raw_connection()?;
    assert_eq!(
        read(&mut raw, "busy_timeout"),
        71,
        "connect_args win over the URL, and round up"
    );
    assert_eq!(number(&mut raw, "synchronous"), 0, "what they do not name stays");
    assert_eq!(number(&mut raw, "foreign_keys"), 0, "the last ones win");
    assert_eq!(number(&mut raw, "cache_size"), 123);
    assert_eq!(number(&mut raw, "temp_store"), 1);
    assert_eq!(text(&mut raw, "journal_mode"), "truncate");
    // The engine's URL is the one that was given.
    assert!(!engine.url().to_string().contains("mode=rwc"), "{engine:?}");

    let error = Engine::<SqliteConnection>::builder(database.url())
        .connect_args(
            SqliteConnectArgs::new()
                .set("busy_timout", "1")
                .synchronous(Synchronous::Extra),
        )
        .build()
        .expect_err("a typo");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("did you mean `busy_timeout`?"), "{error}");
    Ok(())
}

#[test]
fn sqlites_own_arguments_act() -> aludel::Result<()> {
    let database = sqlite::file();
    Engine::<SqliteConnection>::new(database.url())?
        .begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?))?;
    let engine = Engine::<SqliteConnection>::builder(database.url())
        .connect_args(SqliteConnectArgs::new().set("mode", "ro"))
        .build()?;
    let error = engine.begin(|session| Ok(session.batch_execute("INSERT INTO t VALUES (1)")?));
    let error = error.expect_err("it is read-only").to_string();
    assert!(error.contains("readonly"), "{error}");
    Ok(())
}

#[test]
fn a_journal_that_cannot_be_had_fails_the_connect() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:?journal_mode=wal")?;
    let error = engine
        .raw_connection()
        .expect_err("there is no log in memory")
        .to_string();
    assert!(
        error.contains("journal_mode=wal") && error.contains("`memory`"),
        "{error}"
    );
    Ok(())
}

#[test]
fn creator_bypasses_the_url() -> aludel::Result<()> {
    let database = sqlite::file();
    let (path, made) = (database.path().display().to_string(), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&made);
    let engine = Engine::<SqliteConnection>::builder("sqlite:///nowhere/at/all/bank.db?foreign_keys=on")
        .connect_args(SqliteConnectArgs::new().cache_size(99))
        .creator(move || {
            count.fetch_add(1, Ordering::Relaxed);
            SqliteConnection::establish(&path)
        })
        .on_connect(|connection, _| Ok(connection.batch_execute("PRAGMA user_version = 5")?))
        .build()?;
    assert_eq!(made.load(Ordering::Relaxed), 0, "nothing is made before it is needed");
    let mut raw = engine.raw_connection()?;
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert_eq!(
        number(&mut raw, "foreign_keys"),
        1,
        "what acts on a finished connection acts"
    );
    assert_eq!(number(&mut raw, "cache_size"), 99);
    assert_eq!(number(&mut raw, "user_version"), 5, "and so do the hooks");
    drop(raw);
    drop(engine.raw_connection()?);
    assert_eq!(made.load(Ordering::Relaxed), 1, "the pool keeps it");
    assert!(format!("{engine:?}").contains("/nowhere/at/all/bank.db"));

    let error = Engine::<SqliteConnection>::builder("sqlite://")
        .connect_args(SqliteConnectArgs::new().set("mode", "ro").cache_size(1))
        .creator(|| SqliteConnection::establish(":memory:"))
        .build()
        .expect_err("mode is for whoever connects")
        .to_string();
    assert!(error.contains("connect_args mode act while connecting"), "{error}");
    Ok(())
}

#[test]
fn a_creators_error_is_classified_as_any_other() -> aludel::Result<()> {
    fn refuse(text: &'static str) -> impl Fn() -> ConnectionResult<SqliteConnection> {
        move || Err(ConnectionError::BadConnection(text.to_owned()))
    }
    let error = |text| -> aludel::Result<Error> {
        let engine = Engine::<SqliteConnection>::builder("sqlite://")
            .creator(refuse(text))
            .build()?;
        let error = engine.raw_connection().expect_err("it always fails");
        engine.pool().assert_invariants();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains(text), "{error}");
        Ok(error)
    };
    assert_ne!(
        error("database is locked")?.class(),
        error("unable to open database file")?.class()
    );
    Ok(())
}

/// A manager of somebody's own: it counts, and can say that a connection is no good.
struct Counting {
    inner: ConnectionManager<SqliteConnection>,
    pings: Arc<AtomicU32>,
    broken: Arc<AtomicU32>,
}

impl ManageConnection for Counting {
    type Connection = SqliteConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<SqliteConnection, Self::Error> {
        self.inner.connect()
    }

    fn is_valid(&self, connection: &mut SqliteConnection) -> Result<(), Self::Error> {
        self.pings.fetch_add(1, Ordering::Relaxed);
        self.inner.is_valid(connection)
    }

    fn has_broken(&self, _: &mut SqliteConnection) -> bool {
        self.broken.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn any_r2d2_manager_makes_tests_and_judges_the_connections() -> aludel::Result<()> {
    let (pings, broken) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let manager = Counting {
        inner: ConnectionManager::new(":memory:"),
        pings: Arc::clone(&pings),
        broken: Arc::clone(&broken),
    };
    let engine = Engine::<SqliteConnection>::builder("sqlite://?foreign_keys=on")
        .pool_pre_ping(PrePing::Always)
        .manager(manager)
        .build()?;
    engine.begin(|session| Ok(session.batch_execute("CREATE TABLE t (a INTEGER)")?))?;
    let mut raw = engine.raw_connection()?;
    assert_eq!((pings.load(Ordering::Relaxed), engine.pool().opened()), (1, 1));
    assert_eq!(number(&mut raw, "foreign_keys"), 1, "it is prepared as always");
    broken.store(1, Ordering::Relaxed);
    drop(raw);
    assert_eq!(
        engine.pool().checkedin(),
        0,
        "what the manager calls broken is not kept"
    );
    engine.pool().assert_invariants();

    let engine = Engine::<SqliteConnection>::builder("sqlite://")
        .manager(ConnectionManager::new("/nowhere/at/all/bank.db"))
        .build()?;
    let error = engine.raw_connection().expect_err("there is no such folder");
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Permanent));
    let source = std::error::Error::source(&error).expect("the driver's own stays");
    assert!(source.downcast_ref::<ConnectionError>().is_some(), "{source:?}");
    Ok(())
}
