//! One connection a thread: the default for a database in memory, which dies with its connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{EngineBuilder, ErrorKind, Exit, Phase};
use aludel_tests::EventLog;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::BigInt;

const INSERT: &str = "INSERT INTO notes VALUES ('a')";

/// A database in memory with one note in it, and the log of its engine.
struct Memory {
    engine: Engine<SqliteConnection>,
    log: EventLog,
}

impl Memory {
    fn open() -> Self {
        Self::open_with(|builder| builder)
    }

    fn open_with(options: impl FnOnce(EngineBuilder<SqliteConnection>) -> EngineBuilder<SqliteConnection>) -> Self {
        let log = EventLog::new();
        let builder = Engine::<SqliteConnection>::builder("sqlite://:memory:").listen(log.listener());
        let engine = options(builder).build().expect("the options fit together");
        engine
            .begin(|session| {
                session.batch_execute("CREATE TABLE notes (text TEXT)")?;
                Ok(session.batch_execute(INSERT)?)
            })
            .expect("it is empty");
        log.take();
        Self { engine, log }
    }

    /// How many notes there are, as long as there is the database.
    fn notes(&self) -> aludel::Result<i64> {
        self.engine.begin(|session| {
            let notes = diesel::select(sql::<BigInt>("(SELECT COUNT(*) FROM notes)"));
            Ok(notes.get_result(session)?)
        })
    }

    fn has_lost(&self) -> bool {
        self.log.snapshot().contains(&"in-memory database lost".to_owned())
    }

    /// The one note is there, on the one connection that there ever was.
    #[track_caller]
    fn expect_kept(&self) {
        assert_eq!(self.notes().expect("it is there"), 1);
        assert_eq!((self.engine.pool().opened(), self.engine.pool().closed()), (1, 0));
        assert!(!self.has_lost(), "{:?}", self.log);
        self.engine.pool().assert_invariants();
    }
}

// ---- whose it is ----------------------------------------------------------------------------------------------

#[test]
fn a_second_session_on_a_thread_names_the_place_of_the_first() {
    let memory = Memory::open();
    let (mut first, line) = (memory.engine.session(), line!());
    first.batch_execute(INSERT).expect("it is there");
    let refused = memory.engine.session().batch_execute("SELECT 1").expect_err("at once");
    let error = aludel::Error::from(refused);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Misuse, false));
    let text = error.to_string();
    assert!(text.contains(&format!("thread_local.rs:{line}:")), "{text}");
    assert!(
        text.contains("in a transaction") && text.contains("pool::Queue"),
        "{text}"
    );
    drop(first);
    memory.expect_kept();
}

#[test]
fn engine_begin_in_engine_begin_names_the_place_of_the_outer_one() {
    let memory = Memory::open();
    let outer = line!() + 1;
    let answer = memory.engine.begin(|_| memory.engine.begin(|_| Ok(())));
    let text = answer
        .expect_err("one connection cannot have two transactions")
        .to_string();
    assert!(text.contains(&format!("thread_local.rs:{outer}:")), "{text}");
    memory.expect_kept();
}

#[test]
fn a_retry_inside_a_session_is_refused_at_once_and_not_run_again() {
    #[retry]
    fn note(session: &mut Session<SqliteConnection>, runs: &std::cell::Cell<u32>) -> aludel::Result<()> {
        runs.set(runs.get() + 1);
        Ok(session.batch_execute(INSERT)?)
    }
    let (memory, runs) = (Memory::open(), std::cell::Cell::new(0));
    let mut outer = memory.engine.session();
    outer.batch_execute("SELECT 1").expect("it is there");
    let error = note(&mut memory.engine.session(), &runs).expect_err("another session has the connection");
    assert_eq!((error.kind(), runs.get()), (ErrorKind::Misuse, 0), "{error}");
}

#[test]
fn each_thread_has_a_database_of_its_own() {
    let memory = Memory::open();
    thread::scope(|threads| {
        let other = threads.spawn(|| memory.notes().expect_err("it is empty there").to_string());
        let text = other.join().expect("no panic");
        assert!(text.contains("no such table"), "{text}");
    });
    assert_eq!(memory.notes().expect("it is here"), 1);
}

#[test]
fn a_session_that_ends_on_another_thread_sends_its_connection_home() {
    let memory = Memory::open();
    let mut session = memory.engine.session();
    session.batch_execute(INSERT).expect("it is there");
    thread::scope(|threads| {
        threads.spawn(move || drop(session)); // rolled back there
    });
    memory.expect_kept();

    let mut session = memory.engine.session();
    session.batch_execute(INSERT).expect("it is there");
    thread::scope(|threads| {
        threads.spawn(move || session.commit().expect("it may be moved"));
    });
    assert_eq!(memory.notes().expect("it came home"), 2);
    assert_eq!(memory.engine.pool().opened(), 1);
}

#[test]
fn the_connection_of_a_thread_that_has_ended_is_closed_when_the_next_is_made() {
    let memory = Memory::open();
    let elsewhere = || {
        thread::scope(|threads| {
            let connected = threads.spawn(|| memory.engine.raw_connection().map(drop));
            connected.join().expect("no panic").expect("it is made");
        });
    };
    elsewhere();
    assert_eq!((memory.engine.pool().opened(), memory.engine.pool().closed()), (2, 0));
    elsewhere();
    assert_eq!((memory.engine.pool().opened(), memory.engine.pool().closed()), (3, 1));
    memory.engine.pool().assert_invariants();
    assert!(!memory.has_lost(), "nobody can have missed it: {:?}", memory.log);
}

// ---- never lost without an error ------------------------------------------------------------------------------

#[test]
fn a_panic_in_a_transaction_keeps_the_database() {
    let memory = Memory::open();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        memory.engine.begin(|session| -> aludel::Result<()> {
            session.batch_execute(INSERT)?;
            std::panic::resume_unwind(Box::new("a quiet panic"));
        })
    }));
    assert!(unwound.is_err());
    memory.expect_kept();
}

#[test]
fn an_exit_keeps_the_database() {
    let memory = Memory::open();
    let left = memory.engine.begin(|session| -> aludel::Result<()> {
        session.batch_execute(INSERT)?;
        Err(Exit::new("the program ends").into())
    });
    assert!(left.expect_err("it was left").is_exit());
    memory.expect_kept();
}

#[test]
fn a_session_that_is_dropped_with_a_transaction_open_keeps_the_database() {
    let memory = Memory::open();
    let mut session = memory.engine.session();
    session.batch_execute(INSERT).expect("it is there");
    drop(session);
    memory.expect_kept();
}

#[test]
fn a_raw_connection_that_comes_back_in_a_transaction_keeps_the_database() {
    let memory = Memory::open();
    let mut raw = memory.engine.raw_connection().expect("it is idle");
    raw.batch_execute("BEGIN; INSERT INTO notes VALUES ('raw')")
        .expect("it is there");
    drop(raw);
    memory.expect_kept();
}

#[test]
fn a_connection_that_diesel_has_given_up_keeps_the_database() {
    use diesel::connection::{AnsiTransactionManager, TransactionManager, TransactionManagerStatus};
    let memory = Memory::open();
    let mut raw = memory.engine.raw_connection().expect("it is idle");
    *AnsiTransactionManager::transaction_manager_status_mut(&mut *raw) = TransactionManagerStatus::InError;
    drop(raw);
    memory.expect_kept();
}

#[test]
fn a_rollback_that_fails_keeps_the_database() {
    let script = FaultScript::new();
    let memory = Memory::open_with(|builder| builder.faults(script.clone()));
    script.fail_before(Phase::Rollback, DatabaseErrorKind::Unknown, "disk I/O error");
    let answer = memory.engine.begin(|session| -> aludel::Result<()> {
        session.batch_execute(INSERT)?;
        Err(aludel::Error::other("no"))
    });
    assert!(answer.is_err());
    assert_eq!(script.remaining(), 0);
    memory.expect_kept();
}

#[test]
fn neither_age_nor_generation_ends_a_database() {
    let (clock, time) = Clock::test();
    let hour = Duration::from_hours(1);
    let memory = Memory::open_with(|builder| {
        builder
            .clock(clock)
            .pool_recycle(hour)
            .pool_max_lifetime(hour)
            .pool_idle_timeout(hour)
            .pool_pre_ping(PrePing::Always)
    });
    time.advance(10 * hour);
    memory.engine.pool().maintain();
    memory.expect_kept();
    assert!(memory.engine.pool().retire(0, "the server went away, say"));
    memory.engine.pool().maintain();
    memory.expect_kept();
    let mut raw = memory.engine.raw_connection().expect("it is idle");
    raw.soft_invalidate("for a test");
    drop(raw);
    memory.expect_kept();
}

#[test]
fn invalidate_ends_it_with_a_warning() {
    let memory = Memory::open();
    let mut session = memory.engine.session();
    session.batch_execute(INSERT).expect("it is there");
    memory.log.take();
    session.invalidate("a test wants it so");
    assert_eq!(
        memory.log.snapshot(),
        ["invalidate", "in-memory database lost", "close", "rollback"]
    );
    drop(session);
    let text = memory
        .notes()
        .expect_err("a new one, since its user wanted it so")
        .to_string();
    assert!(text.contains("no such table"), "{text}");
}

#[test]
fn dispose_empties_it_knowingly() {
    let memory = Memory::open();
    memory.engine.dispose();
    let text = memory.notes().expect_err("it is empty").to_string();
    assert!(text.contains("no such table"), "{text}");
    assert!(!memory.has_lost(), "who disposes knows: {:?}", memory.log);
    assert_eq!((memory.engine.pool().opened(), memory.engine.pool().closed()), (2, 1));
}
