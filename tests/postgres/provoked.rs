//! Every error that a PostgreSQL can be made to say: what it says is in the corpus, and is taken for what it is (facts D3,
//! D4, D5, D7).

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use aludel::classify::Flavour;
use aludel::prelude::*;
use aludel::{IsolationLevel, Phase};
use aludel_tests::corpus::Heard;
use aludel_tests::postgres::{self, Postgres, backend_pid};
use aludel_tests::{Meeting, TestDatabase, poll, ports};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use crate::bank::{Bank, PgSession};

const SCHEMA: &str = "\
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR(5) NOT NULL, balance SMALLINT NOT NULL \
        CONSTRAINT positive CHECK (balance >= 0)); \
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, \
        account INTEGER REFERENCES accounts DEFERRABLE INITIALLY IMMEDIATE, during INT4RANGE, \
        EXCLUDE USING gist (during WITH &&)); \
    CREATE SEQUENCE numbers; \
    INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 500); INSERT INTO ledger VALUES (1, 1, '[1,5)')";

const SOON: Duration = Duration::from_secs(30);

/// A connection whose last words may or may not have arrived before its end was noticed.
const TERMINATED: [&str; 3] = [
    "postgres 57P01 terminated",
    "libpq connection lost",
    "libpq not connected",
];

/// The same after a crash, or a shutdown that waits for nobody.
const CRASHED: [&str; 2] = ["postgres 57P02 crash", "libpq connection lost"];

/// libpq takes what comes while nobody has asked for a notice, and then knows of the end only.
const IDLE: [&str; 2] = ["postgres 25P03 idle", "libpq connection lost"];

/// One database, the engine that is listened to, and what it has heard.
struct Story<'s> {
    server: &'s Postgres,
    database: TestDatabase,
    heard: Heard,
    engine: Engine<PgConnection>,
}

impl<'s> Story<'s> {
    fn on(server: &'s Postgres, name: &str) -> Self {
        let database = server.database(name);
        let heard = Heard::new(Flavour::PostgreSql);
        let engine = heard
            .listened_to::<PgConnection>(database.url())
            .build()
            .expect("a good URL");
        let story = Self {
            server,
            database,
            heard,
            engine,
        };
        story.outside().batch_execute(SCHEMA).expect("the database is empty");
        story
    }

    fn outside(&self) -> PgConnection {
        PgConnection::establish(self.database.url()).expect("the server runs")
    }

    /// The server takes connections again; what it said until then was up to the moment.
    #[track_caller]
    fn back_again(&self) {
        poll::until("the server is back, or has room", SOON, || {
            run(&mut self.engine.session(), "SELECT 1").ok()
        });
        self.heard.forget();
    }

    /// The statement fails in a transaction, after what has to come before it.
    #[track_caller]
    fn fails(&self, setup: &str, sql: &str, rule: &str) {
        let mut session = self.engine.session();
        for statement in setup.split("; ").filter(|sql| !sql.is_empty()) {
            run(&mut session, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        run(&mut session, sql).expect_err(sql);
        self.heard.expect(Phase::Statement, rule);
        session.rollback().expect("nothing else went wrong");
    }
}

fn run(session: &mut PgSession, sql: &str) -> QueryResult<usize> {
    diesel::sql_query(sql).execute(session)
}

#[test]
fn plain_mistakes() {
    let story = Story::on(postgres::server(), "mistakes");
    let (by_kind, constraint) = ("postgres 23 constraint (kind)", "postgres 23 constraint");
    for (sql, rule) in [
        ("INSERT INTO accounts VALUES (1, 'Eve', 1)", by_kind),
        ("INSERT INTO accounts (id, balance) VALUES (9, 1)", by_kind),
        ("INSERT INTO ledger VALUES (2, 99)", by_kind),
        ("DELETE FROM accounts WHERE id = 1", by_kind),
        ("UPDATE accounts SET balance = -1", by_kind),
        ("INSERT INTO ledger VALUES (2, 1, '[4,9)')", by_kind),
        ("UPDATE accounts SET balance = CAST('x' AS INTEGER)", "postgres 22 data"),
        ("UPDATE accounts SET owner = 'much too long'", "postgres 22 data"),
        ("UPDATE accounts SET balance = 70000", "postgres 22 data"),
        ("UPDATE accounts SET id = 3000000000", "postgres 22 data"),
        ("SELECT CAST(1000 AS NUMERIC(2))", "postgres 22 data"),
        ("SELECT 1 / (balance - balance) FROM accounts", "postgres 22 data"),
        ("SELECT CAST('2026-99-99' AS DATE)", "postgres 22 data"),
        ("SELEC 1", "postgres 42 syntax"),
        ("SELECT * FROM acounts", "postgres 42 syntax"),
        ("SELECT ownr FROM accounts", "postgres 42 syntax"),
        ("SELECT pay()", "postgres 42 syntax"),
        ("SELECT * FROM pg_authid", "postgres 42 syntax"),
        ("CREATE TABLE accounts (id INTEGER)", "postgres 42 syntax"),
        ("", "libpq empty query"),
    ] {
        story.fails("", sql, rule);
    }
    // The same texts without the kind, as PL/pgSQL passes them on.
    let swallow = "DO $$ BEGIN INSERT INTO accounts VALUES (1, 'Eve', 1); \
                   EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION '%', SQLERRM; END $$";
    story.fails("", swallow, constraint);
}

#[test]
fn connections_that_are_refused() {
    let server = postgres::server();
    let story = Story::on(server, "refused");
    let (heard, database, port) = (&story.heard, story.database.name(), server.port());
    server.execute("CREATE ROLE once LOGIN PASSWORD 'pw' CONNECTION LIMIT 1; CREATE ROLE never NOLOGIN PASSWORD 'pw'");
    let url = |user: &str, password: &str, database: &str| {
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
    };
    let access = "postgres 28 access";
    heard.refused::<PgConnection>(&url("once", "no", database), access);
    heard.refused::<PgConnection>(&url("never", "pw", database), access);
    heard.refused::<PgConnection>(&url("once", "pw", "no_such_database"), access);
    // The one before may still be on its way out.
    let first = poll::until("the first one is let in", SOON, || {
        PgConnection::establish(&url("once", "pw", database)).ok()
    });
    heard.refused::<PgConnection>(&url("once", "pw", database), "postgres 53300 too many");
    drop(first);
    server.execute(&format!("ALTER DATABASE {database} CONNECTION LIMIT 0"));
    heard.refused::<PgConnection>(story.database.url(), "postgres 53300 too many");

    let closed = ports::free();
    heard.refused::<PgConnection>(&format!("postgres://once:pw@127.0.0.1:{closed}/x"), "libpq unreachable");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("it is bound").port();
    let hangs_up = thread::spawn(move || drop(silent.accept()));
    let url = format!("postgres://once:pw@127.0.0.1:{silent_port}/x?sslmode=disable");
    let engine = heard.listened_to::<PgConnection>(&url).build().expect("a good URL");
    engine.raw_connection().map(drop).expect_err("it hangs up");
    hangs_up.join().expect("it does not panic");
    heard.expect_any(Phase::Connect, &["libpq connection lost", "libpq unreachable"]);
}

#[test]
fn connections_that_are_lost() -> aludel::Result<()> {
    let story = Story::on(postgres::server(), "lost");
    let (server, heard) = (story.server, &story.heard);
    let mut session = story.engine.session();
    run(&mut session, "SELECT 1")?;
    server.terminate(Bank::pid(&mut session));
    run(&mut session, "SELECT 1").expect_err("it was terminated");
    heard.expect_any(Phase::Statement, &TERMINATED);
    session.rollback()?;

    let mut raw = story.outside();
    server.terminate(backend_pid(&mut raw));
    raw.batch_execute("SELECT 1").expect_err("it was terminated");
    heard.note(
        Phase::Statement,
        &raw.batch_execute("SELECT 1").expect_err("it stays dead"),
    );
    heard.expect(Phase::Statement, "libpq not connected");

    // In a transaction, and outside of one, for longer than allowed.
    let pid = Bank::pid(&mut session);
    run(&mut session, "SET idle_in_transaction_session_timeout = 10")?;
    gone(server, &story.database, pid);
    run(&mut session, "SELECT 1").expect_err("it did nothing for too long");
    heard.expect_any(Phase::Statement, &IDLE);
    session.rollback()?;

    let mut raw = story.outside();
    let pid = backend_pid(&mut raw);
    raw.batch_execute("SET idle_session_timeout = 10")?;
    gone(server, &story.database, pid);
    let error = diesel::sql_query("SELECT 1").execute(&mut raw);
    heard.note(Phase::Ping, &error.expect_err("it did nothing for too long"));
    heard.expect_any(Phase::Ping, &IDLE);
    Ok(())
}

fn gone(server: &Postgres, database: &TestDatabase, pid: i32) {
    poll::until("the idle connection was closed", SOON, || {
        (!server.connections(database.name()).contains(&pid)).then_some(())
    });
}

#[test]
fn conflicts() -> aludel::Result<()> {
    let story = Story::on(postgres::server(), "conflicts");
    let (server, heard) = (story.server, &story.heard);
    // Two who want each other's row.
    let meeting = Meeting::new("both hold their first row", 2);
    let cross = |first: i32, second: i32| {
        let mut session = story.engine.session();
        let pay = |session: &mut PgSession, id: i32| {
            run(
                session,
                &format!("UPDATE accounts SET balance = balance + 1 WHERE id = {id}"),
            )
        };
        pay(&mut session, first).expect("its own row");
        meeting.meet();
        let failed = pay(&mut session, second).is_err();
        session.rollback().expect("it can be rolled back");
        failed
    };
    let failed = thread::scope(|threads| {
        let other = threads.spawn(|| cross(2, 1));
        [cross(1, 2), other.join().expect("no panic")]
    });
    assert!(failed[0] != failed[1], "one of them is the victim");
    heard.expect(Phase::Statement, "postgres 40P01 deadlock");

    // Locks that do not come, and statements that take too long.
    let mut holder = story.outside();
    holder.batch_execute("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1; LOCK TABLE ledger")?;
    let lock = "postgres 55P03 lock";
    let update = "UPDATE accounts SET balance = 2 WHERE id = 1";
    story.fails("SET lock_timeout = 10", update, lock);
    story.fails("", "SELECT * FROM accounts WHERE id = 1 FOR UPDATE NOWAIT", lock);
    story.fails("", "LOCK TABLE ledger NOWAIT", lock);
    story.fails("SET statement_timeout = 10", update, "postgres 57014 statement time");
    let mut session = story.engine.session();
    let pid = Bank::pid(&mut session);
    thread::scope(|threads| {
        let blocked = threads.spawn(|| run(&mut session, update));
        server.wait_until_blocked(pid);
        server.execute(&format!("SELECT pg_cancel_backend({pid})"));
        blocked.join().expect("no panic").expect_err("it was cancelled");
    });
    heard.expect(Phase::Statement, "postgres 57014 canceled");
    session.rollback()?;
    holder.batch_execute("ROLLBACK")?;

    // Somebody else was first: changed it, took it away, or read what we write.
    let engine = heard
        .listened_to::<PgConnection>(story.database.url())
        .isolation_level(IsolationLevel::Serializable)
        .build()?;
    let conflict = "postgres 40001 serialization";
    for theirs in [
        "UPDATE accounts SET balance = 3 WHERE id = 2",
        "DELETE FROM accounts WHERE id = 2",
    ] {
        let mut session = engine.session();
        run(&mut session, "SELECT * FROM accounts")?;
        story.outside().batch_execute(theirs)?;
        run(&mut session, "UPDATE accounts SET balance = 4 WHERE id = 2").expect_err("the row has changed");
        heard.expect(Phase::Statement, conflict);
        session.rollback()?;
    }
    for at_commit in [false, true] {
        let mut session = engine.session();
        run(&mut session, "SELECT * FROM accounts")?;
        let mut other = story.outside();
        other.batch_execute(
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM ledger; UPDATE accounts SET balance = balance + 1",
        )?;
        if !at_commit {
            other.batch_execute("COMMIT")?;
        }
        let written = run(&mut session, "INSERT INTO ledger VALUES (7, 1)");
        if at_commit {
            other.batch_execute("COMMIT")?;
            written?;
            let error = session.commit().expect_err("they have read what we write");
            assert!(error.is_retryable(), "{error}");
        } else {
            written.expect_err("they have read what we write");
        }
        heard.expect(if at_commit { Phase::Commit } else { Phase::Statement }, conflict);
        session.rollback()?;
    }
    Ok(())
}

#[test]
fn states_and_modes() -> aludel::Result<()> {
    let story = Story::on(postgres::server(), "modes");
    let heard = &story.heard;
    let read_only = "postgres 25006 read-only";
    // The mode of the server's session, which nobody here has asked for.
    let engine = heard
        .listened_to::<PgConnection>(story.database.url())
        .on_connect(|raw, _| Ok(raw.batch_execute("SET default_transaction_read_only = on")?))
        .build()?;
    for sql in ["UPDATE accounts SET balance = 0", "SELECT nextval('numbers')"] {
        let mut session = engine.session();
        let error = run(&mut session, sql).expect_err("it only reads");
        assert_eq!(aludel::Error::from(error).class(), Class::Failover);
        heard.expect(Phase::Statement, read_only);
        session.rollback()?;
    }
    story.fails(
        "PREPARE p AS SELECT * FROM accounts; ALTER TABLE accounts ADD nickname TEXT",
        "EXECUTE p",
        "postgres 0A000 stale plan",
    );

    // A constraint that is looked at with COMMIT.
    let mut session = story.engine.session();
    run(&mut session, "SET CONSTRAINTS ALL DEFERRED")?;
    run(&mut session, "INSERT INTO ledger VALUES (3, 99)")?;
    let error = session.commit().expect_err("there is no such account");
    assert!(!error.is_commit_unknown() && !error.is_retryable(), "{error}");
    heard.expect(Phase::Commit, "postgres 23 constraint (kind)");

    // Transactions and savepoints that are not there, which a session would not let through.
    let mut raw = story.outside();
    for (phase, sql, rule) in [
        (
            Phase::Savepoint,
            "SAVEPOINT aludel_sp_1",
            "postgres 25P01 no transaction",
        ),
        (
            Phase::Release,
            "RELEASE SAVEPOINT aludel_sp_1",
            "postgres 25P01 no transaction",
        ),
        (
            Phase::RollbackTo,
            "ROLLBACK TO SAVEPOINT aludel_sp_1",
            "postgres 25P01 no transaction",
        ),
        (
            Phase::Release,
            "BEGIN; RELEASE SAVEPOINT aludel_sp_1",
            "postgres 3B001 savepoint",
        ),
        (Phase::Statement, "SELECT 1", "postgres 25P02 aborted"),
    ] {
        heard.note(phase, &raw.batch_execute(sql).expect_err(sql));
        heard.expect(phase, rule);
    }
    Ok(())
}

/// What only a server of one's own can be put through.
#[test]
fn a_server_of_its_own() -> aludel::Result<()> {
    let server = postgres::private_with(&["max_connections=9", "superuser_reserved_connections=3"]);
    let story = Story::on(&server, "own");
    it_is_full(&story);
    a_commit_waits_for_a_standby(&story)?;
    a_backend_crashes(&story)?;
    it_shuts_down(&story)?;
    it_is_a_standby(&story);
    Ok(())
}

/// For all but superusers, and then for all.
fn it_is_full(story: &Story<'_>) {
    let (heard, url) = (&story.heard, story.database.url());
    let mut crowd: Vec<PgConnection> = Vec::new();
    while let Ok(connection) = PgConnection::establish(url) {
        crowd.push(connection);
    }
    heard.refused::<PgConnection>(url, "postgres 53300 too many");
    let root = url.replacen("aludel:", "postgres:", 1);
    while let Ok(connection) = PgConnection::establish(&root) {
        crowd.push(connection);
    }
    heard.refused::<PgConnection>(&root, "postgres 53300 too many");
    drop(crowd);
    story.back_again();
}

/// There is none, and it is terminated: it answers with an error, and has happened.
fn a_commit_waits_for_a_standby(story: &Story<'_>) -> aludel::Result<()> {
    let (server, heard) = (story.server, &story.heard);
    let mut session = story.engine.session();
    run(&mut session, "INSERT INTO ledger VALUES (11, 1)")?;
    server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.execute("SELECT pg_reload_conf()");
    let pid = Bank::pid(&mut session);
    let mut superuser = server.connect();
    superuser.batch_execute("SET synchronous_commit = local")?;
    thread::scope(|threads| {
        let waiting = threads.spawn(|| session.commit());
        poll::until("COMMIT waits for a standby", SOON, || {
            let waits = sql::<Bool>(&format!(
                "EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'SyncRep')"
            ));
            diesel::select(waits)
                .get_result::<bool>(&mut superuser)
                .ok()
                .filter(|waits| *waits)
        });
        superuser
            .batch_execute(&format!("SELECT pg_terminate_backend({pid})"))
            .expect("the superuser may do that");
        let error = waiting.join().expect("no panic").expect_err("it was terminated");
        assert!(error.is_commit_unknown(), "{error}");
    });
    heard.expect_any(Phase::Commit, &["postgres 57P01 terminated", "libpq connection lost"]);
    let written: i64 = diesel::select(sql::<BigInt>("(SELECT COUNT(*) FROM ledger WHERE id = 11)"))
        .get_result(&mut story.outside())?;
    assert_eq!(written, 1, "it has happened, whatever COMMIT has answered");
    superuser.batch_execute("ALTER SYSTEM RESET synchronous_standby_names")?;
    superuser.batch_execute("SELECT pg_reload_conf()")?;
    Ok(())
}

/// The server takes all the others down with it, and recovers.
fn a_backend_crashes(story: &Story<'_>) -> aludel::Result<()> {
    let mut session = story.engine.session();
    run(&mut session, "SELECT 1")?;
    let mut victim = story.server.connect();
    story.server.signal(backend_pid(&mut victim), "KILL");
    drop(victim);
    poll::until("the server has noticed", SOON, || run(&mut session, "SELECT 1").err());
    story.heard.expect_any(Phase::Statement, &CRASHED);
    session.rollback()?;
    story.back_again();
    Ok(())
}

/// In three ways: the slow one waits for those who are there, and lets nobody in.
fn it_shuts_down(story: &Story<'_>) -> aludel::Result<()> {
    let (server, heard, url) = (story.server, &story.heard, story.database.url());
    let mut session = story.engine.session();
    run(&mut session, "SELECT 1")?;
    server.signal(server.postmaster(), "TERM");
    let error = poll::until("the server lets nobody in", SOON, || PgConnection::establish(url).err());
    heard.note_connect(&error);
    heard.expect(Phase::Connect, "postgres 57P03 leaving");
    for (signal, rules) in [("INT", &TERMINATED[..]), ("QUIT", &CRASHED)] {
        server.signal(server.postmaster(), signal);
        poll::until("the server has noticed", SOON, || run(&mut session, "SELECT 1").err());
        heard.expect_any(Phase::Statement, rules);
        session.rollback()?;
        if signal == "INT" {
            server.restart();
            run(&mut session, "SELECT 1")?;
        }
    }
    poll::until("nobody listens any more", SOON, || {
        heard.forget();
        let error = PgConnection::establish(url).err()?;
        heard.note_connect(&error);
        error.to_string().contains("Connection refused").then_some(())
    });
    heard.expect(Phase::Connect, "libpq unreachable");
    server.restart();
    Ok(())
}

/// It answers, and does not write.
fn it_is_a_standby(story: &Story<'_>) {
    let (server, heard) = (story.server, &story.heard);
    fs::write(server.folder().join("data/standby.signal"), "").expect("the folder is ours");
    server.restart();
    let read_only = "postgres 25006 read-only";
    story.fails("", "UPDATE accounts SET balance = 0", read_only);
    story.fails("", "NOTIFY nobody", read_only);
    let error = story.outside().batch_execute("BEGIN READ WRITE");
    heard.note(Phase::Begin, &error.expect_err("it only reads"));
    heard.expect(Phase::Begin, read_only);
    let primary = format!("{}?target_session_attrs=read-write", story.database.url());
    heard.refused::<PgConnection>(&primary, "postgres wrong role of host");
}

/// A standby that does not wait for its readers: what they look at is taken away on the primary.
#[test]
fn a_standby_that_catches_up() -> aludel::Result<()> {
    let server = postgres::private();
    let story = Story::on(&server, "catches_up");
    let standby = server.standby(&["max_standby_streaming_delay=0"]);
    let heard = Heard::new(Flavour::PostgreSql);
    let engine = heard
        .listened_to::<PgConnection>(&standby.url(story.database.name()))
        .isolation_level(IsolationLevel::RepeatableRead)
        .build()?;
    let mut session = engine.session();
    let take_away = |id: i32| {
        let mut primary = story.outside();
        for sql in [
            "INSERT INTO accounts VALUES ($, 'Eve', 1)",
            "DELETE FROM accounts WHERE id = $",
            "VACUUM accounts",
        ] {
            primary.batch_execute(&sql.replace('$', &id.to_string())).expect(sql);
        }
    };
    // In the middle of a statement.
    run(&mut session, "SELECT * FROM accounts")?;
    let pid = Bank::pid(&mut session);
    thread::scope(|threads| {
        let reads = threads.spawn(|| run(&mut session, "SELECT pg_sleep(60)"));
        let mut superuser = standby.connect();
        poll::until("the statement runs", SOON, || {
            let runs = sql::<Bool>(&format!(
                "EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep')"
            ));
            let runs = diesel::select(runs).get_result::<bool>(&mut superuser);
            runs.expect("the superuser may look").then_some(())
        });
        take_away(8);
        reads.join().expect("no panic").expect_err("its snapshot is gone");
    });
    heard.expect(Phase::Statement, "postgres 40001 serialization");
    session.rollback()?;

    // Between two statements.
    run(&mut session, "SELECT * FROM accounts")?;
    let pid = Bank::pid(&mut session);
    take_away(9);
    gone(&standby, &story.database, pid);
    run(&mut session, "SELECT * FROM accounts").expect_err("its snapshot is gone");
    heard.expect_any(
        Phase::Statement,
        &["postgres recovery conflict", "libpq connection lost"],
    );
    session.rollback()?;
    Ok(())
}
