//! Every error that a MariaDB can be made to say: what it says is in the corpus, and is taken for what it is (facts D1, D2,
//! D3, D6).

use std::thread;
use std::time::Duration;

use aludel::Phase;
use aludel::classify::Flavour;
use aludel::prelude::*;
use aludel_tests::corpus::Heard;
use aludel_tests::mariadb::{self, MariaDb, connection_id};
use aludel_tests::{Meeting, TestDatabase, poll};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::stories::backend;

const SCHEMA: &str = "\
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR(5) UNIQUE NOT NULL, balance SMALLINT NOT NULL, \
        CONSTRAINT positive CHECK (balance >= 0)) ENGINE=InnoDB; \
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, account INTEGER, CONSTRAINT l FOREIGN KEY (account) \
        REFERENCES accounts (id)) ENGINE=InnoDB; \
    INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 500); INSERT INTO ledger VALUES (1, 1)";

/// What a connection says that went away, whether the server's last words arrive before the end or not.
const GONE: [&str; 3] = [
    "mysql 2006 gone away",
    "mysql 2013 lost during query",
    "mysql 1927 killed",
];

const SOON: Duration = Duration::from_secs(30);

/// One database, the engine that is listened to, and what it has heard.
struct Story<'s> {
    server: &'s MariaDb,
    database: TestDatabase,
    heard: Heard,
    engine: Engine<MysqlConnection>,
}

type MySession = Session<MysqlConnection>;

impl<'s> Story<'s> {
    fn on(server: &'s MariaDb, name: &str) -> Self {
        let database = server.database(name);
        server.execute_in(database.name(), SCHEMA);
        let heard = Heard::new(Flavour::MySql);
        let engine = heard
            .listened_to::<MysqlConnection>(database.url())
            .build()
            .expect("a good URL");
        Self {
            server,
            database,
            heard,
            engine,
        }
    }

    fn session(&self) -> MySession {
        self.engine.session()
    }

    fn outside(&self) -> MysqlConnection {
        MysqlConnection::establish(self.database.url()).expect("the server runs")
    }

    /// The statement fails, on both ways to send it: prepared, and as text, where the kind is lost.
    #[track_caller]
    fn fails(&self, setup: &str, sql: &str, rule: &str) {
        for prepared in [true, false] {
            let mut session = self.session();
            for statement in setup.split("; ").filter(|sql| !sql.is_empty()) {
                diesel::sql_query(statement)
                    .execute(&mut session)
                    .unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            let failed = if prepared {
                diesel::sql_query(sql).execute(&mut session).map(drop)
            } else {
                session.batch_execute(sql)
            };
            assert!(failed.is_err(), "{sql}");
            self.heard.expect(Phase::Statement, rule);
            session.rollback().expect("nothing else went wrong");
        }
    }
}

fn run(session: &mut MySession, sql: &str) -> QueryResult<usize> {
    diesel::sql_query(sql).execute(session)
}

#[test]
fn plain_mistakes() {
    let story = Story::on(mariadb::server(), "mistakes");
    let constraint = "mysql 1062 constraint";
    for (sql, rule) in [
        ("INSERT INTO accounts VALUES (9, 'Ann', 1)", constraint),
        ("INSERT INTO accounts VALUES (9, NULL, 1)", constraint),
        ("INSERT INTO accounts (id) VALUES (9)", constraint),
        ("INSERT INTO ledger VALUES (2, 99)", constraint),
        ("DELETE FROM accounts WHERE id = 1", constraint),
        ("UPDATE accounts SET balance = -1", constraint),
        ("UPDATE accounts SET balance = 70000", "mysql 1264 data"),
        ("UPDATE accounts SET balance = 'x'", "mysql 1264 data"),
        ("UPDATE accounts SET owner = 'much too long'", "mysql 1264 data"),
        (
            "UPDATE accounts SET balance = 1 WHERE owner = (SELECT owner FROM accounts)",
            "mysql 1264 data",
        ),
        ("UPDATE accounts SET balance = 1 WHERE owner = 0", "mysql 1264 data"),
        ("SELEC 1", "mysql 1064 syntax"),
        ("SELECT * FROM acounts", "mysql 1064 syntax"),
        ("SELECT ownr FROM accounts", "mysql 1064 syntax"),
        ("INSERT INTO accounts VALUES (1)", "mysql 1064 syntax"),
        ("CALL nowhere.pay()", "mysql unknown"),
    ] {
        // Prepared statements carry a kind, which outranks the words; as text there are only those.
        let mut session = story.session();
        run(&mut session, sql).expect_err(sql);
        // MariaDB's own number of a failed check is none that Diesel knows.
        let by_kind = rule == constraint && !sql.contains("-1");
        story
            .heard
            .expect(Phase::Statement, if by_kind { "mysql constraint (kind)" } else { rule });
        session.batch_execute(sql).expect_err(sql);
        story.heard.expect(Phase::Statement, rule);
        run(&mut session, "UPDATE accounts SET balance = balance").expect("the transaction stands");
        session.rollback().expect("it can be rolled back");
    }
}

#[test]
fn connections_that_are_refused() {
    let server = mariadb::server();
    let story = Story::on(server, "refused");
    let (heard, database, port) = (&story.heard, story.database.name(), server.port());
    server.execute(
        "CREATE USER once@'127.0.0.1' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS 1 MAX_QUERIES_PER_HOUR 100",
    );
    server.execute(&format!("GRANT SELECT ON `{database}`.* TO once@'127.0.0.1'"));

    let once = |database: &str| format!("mysql://once:pw@127.0.0.1:{port}/{database}");
    heard.refused::<MysqlConnection>(
        &format!("mysql://once:no@127.0.0.1:{port}/{database}"),
        "mysql 1045 access",
    );
    heard.refused::<MysqlConnection>(&once("mysql"), "mysql 1045 access");
    heard.refused::<MysqlConnection>(&server.url("no_such_database"), "mysql 1045 access");
    // The one before may still be on its way out.
    let first = poll::until("the first one is let in", SOON, || {
        MysqlConnection::establish(&once(database)).ok()
    });
    heard.refused::<MysqlConnection>(&once(database), "mysql 1040 too many");
    drop(first);
    poll::until("the only connection of its user is gone", SOON, || {
        MysqlConnection::establish(&once(database)).ok()
    });

    // Its rights, and its share of the server, at a statement.
    let engine = poll::until("the only connection is free", SOON, || {
        let engine = heard
            .listened_to::<MysqlConnection>(&once(database))
            .build()
            .expect("a good URL");
        engine.raw_connection().map(drop).ok().map(|()| engine)
    });
    heard.forget();
    let mut session = engine.session();
    run(&mut session, "UPDATE accounts SET balance = 0").expect_err("it may only read");
    heard.expect(Phase::Statement, "mysql 1064 syntax");
    let error = (0..200).find_map(|_| session.batch_execute("SELECT 1").err());
    assert!(error.is_some(), "a hundred an hour");
    heard.expect(Phase::Statement, "mysql 1040 too many");
    drop((session, engine));

    // Nobody listens; somebody who does not answer.
    let closed = aludel_tests::ports::free();
    heard.refused::<MysqlConnection>(
        &format!("mysql://once:pw@127.0.0.1:{closed}/x"),
        "mysql 2003 unreachable",
    );
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("it is bound").port();
    let hangs_up = thread::spawn(move || drop(silent.accept()));
    heard.refused::<MysqlConnection>(&format!("mysql://once:pw@127.0.0.1:{silent_port}/x"), "mysql 2055 lost");
    hangs_up.join().expect("it does not panic");
}

#[test]
fn connections_that_are_lost() -> aludel::Result<()> {
    let story = Story::on(mariadb::server(), "lost");
    // Idle, and sent to.
    let mut session = story.session();
    run(&mut session, "SELECT 1")?;
    story.server.kill(backend(&mut session)?);
    run(&mut session, "SELECT 1").expect_err("it was killed");
    story.heard.expect_any(Phase::Statement, &GONE);
    session.rollback()?;

    let mut raw = story.outside();
    story.server.kill(connection_id(&mut raw));
    raw.batch_execute("SELECT 1").expect_err("it was killed");
    let again = raw.batch_execute("SELECT 1").expect_err("it stays dead");
    story.heard.note(Phase::Statement, &again);
    story.heard.expect(Phase::Statement, "mysql 2006 gone away");

    // In the middle of a statement that waits for a lock.
    let mut holder = story.outside();
    holder.batch_execute("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1")?;
    for (how, rule) in [
        ("KILL CONNECTION", &GONE[..]),
        ("KILL QUERY", &["mysql 1317 interrupted"]),
    ] {
        let id = backend(&mut session)?;
        thread::scope(|threads| {
            let blocked = threads.spawn(|| run(&mut session, "UPDATE accounts SET balance = 2 WHERE id = 1"));
            story.server.wait_until_blocked(id);
            story.server.execute(&format!("{how} {id}"));
            blocked.join().expect("no panic").expect_err("it was killed");
        });
        story.heard.expect_any(Phase::Statement, rule);
        session.rollback()?;
    }
    drop(holder);

    // Idle for longer than the server likes.
    let id = backend(&mut session)?;
    run(&mut session, "SET SESSION wait_timeout = 1")?;
    poll::until("the idle connection was closed", SOON, || {
        (!story.server.connections(story.database.name()).contains(&id)).then_some(())
    });
    run(&mut session, "SELECT 1").expect_err("it was idle for too long");
    story.heard.expect_any(Phase::Statement, &GONE);
    session.rollback()?;
    Ok(())
}

#[test]
fn conflicts() -> aludel::Result<()> {
    let story = Story::on(mariadb::server(), "conflicts");
    let deadlock = "mysql 1213 deadlock";
    // Two who want each other's row, prepared and as text.
    for prepared in [true, false] {
        let meeting = Meeting::new("both hold their first row", 2);
        let cross = |first: i32, second: i32| {
            let mut session = story.session();
            let pay = |session: &mut MySession, id: i32| {
                let sql = format!("UPDATE accounts SET balance = balance + 1 WHERE id = {id}");
                if prepared {
                    run(session, &sql).map(drop)
                } else {
                    session.batch_execute(&sql)
                }
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
        story.heard.expect(Phase::Statement, deadlock);
    }
    // Two who want each other's user lock.
    let meeting = Meeting::new("both hold their first lock", 2);
    let cross = |first: &str, second: &str| {
        let mut session = story.session();
        let lock = |session: &mut MySession, name: &str| run(session, &format!("SET @x = GET_LOCK('{name}', 30)"));
        lock(&mut session, first).expect("nobody has it");
        meeting.meet();
        let failed = lock(&mut session, second).is_err();
        let _ = run(&mut session, "DO RELEASE_ALL_LOCKS()");
        session.rollback().expect("it can be rolled back");
        failed
    };
    thread::scope(|threads| {
        let other = threads.spawn(|| cross("b", "a"));
        assert!(cross("a", "b") | other.join().expect("no panic"));
    });
    story.heard.expect(Phase::Statement, deadlock);

    // Locks that do not come.
    let mut holder = story.outside();
    holder.batch_execute("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1")?;
    let wait = "mysql 1205 lock wait";
    story.fails(
        "SET innodb_lock_wait_timeout = 1",
        "UPDATE accounts SET balance = 2 WHERE id = 1",
        wait,
    );
    story.fails("", "SELECT * FROM accounts WHERE id = 1 FOR UPDATE NOWAIT", wait);
    story.fails("SET lock_wait_timeout = 1", "ALTER TABLE accounts ADD x INTEGER", wait);
    holder.batch_execute("ROLLBACK")?;

    // Somebody else was first.
    for prepared in [true, false] {
        let mut session = story.session();
        run(&mut session, "SET innodb_snapshot_isolation = ON")?;
        run(&mut session, "SELECT * FROM accounts")?;
        story
            .server
            .execute_in(story.database.name(), "UPDATE accounts SET balance = balance + 1");
        let sql = "UPDATE accounts SET balance = balance + 1";
        if prepared {
            run(&mut session, sql).expect_err("the row has changed");
        } else {
            session.batch_execute(sql).expect_err("the row has changed");
        }
        story.heard.expect(Phase::Statement, "mysql 1020 changed");
        session.rollback()?;
    }
    // The table is not the one of the snapshot any more.
    let mut session = story.session();
    run(&mut session, "SELECT * FROM ledger")?;
    story.server.execute_in(
        story.database.name(),
        "ALTER TABLE accounts ADD nickname INTEGER, ALGORITHM=COPY",
    );
    run(&mut session, "SELECT * FROM accounts").expect_err("its snapshot is older than the table");
    story.heard.expect(Phase::Statement, "mysql 1412 stale definition");
    session.rollback()?;
    Ok(())
}

#[test]
fn limits_and_modes() -> aludel::Result<()> {
    let story = Story::on(mariadb::server(), "limits");
    story.fails(
        "",
        "SET STATEMENT max_statement_time = 0.01 FOR UPDATE accounts SET balance = 1 WHERE SLEEP(20) = 9",
        "mariadb 1969 statement time",
    );
    let mut session = story.session();
    let error = session
        .build_transaction()
        .read_only()
        .run(|session| Ok(run(session, "UPDATE accounts SET balance = 0")?))
        .expect_err("it reads only");
    assert_eq!(error.class(), Class::Permanent, "we have asked for it: {error}");
    story.heard.forget();

    // The mode of the session, which nobody here has asked for.
    let mut raw = story.outside();
    raw.batch_execute("SET SESSION TRANSACTION READ ONLY; BEGIN")?;
    let error = raw
        .batch_execute("UPDATE accounts SET balance = 0")
        .expect_err("it reads only");
    story.heard.note(Phase::Statement, &error);
    story.heard.expect(Phase::Statement, "mysql 1792 read-only transaction");
    let error = diesel::sql_query("UPDATE accounts SET balance = 0")
        .execute(&mut raw)
        .expect_err("prepared, too");
    story.heard.note(Phase::Statement, &error);
    story.heard.expect(Phase::Statement, "mysql 1792 read-only transaction");

    // A savepoint that is gone.
    let mut raw = story.outside();
    raw.batch_execute("BEGIN; SAVEPOINT aludel_sp_1; COMMIT; BEGIN")?;
    for (phase, sql) in [
        (Phase::Release, "RELEASE SAVEPOINT aludel_sp_1"),
        (Phase::RollbackTo, "ROLLBACK TO SAVEPOINT aludel_sp_1"),
    ] {
        story
            .heard
            .note(phase, &raw.batch_execute(sql).expect_err("COMMIT has taken it"));
        story.heard.expect(phase, "mysql 1305 savepoint");
    }

    // The victim of a deadlock in a distributed transaction.
    let mut victim = story.outside();
    victim.batch_execute("XA START 'a'; UPDATE accounts SET balance = 1 WHERE id = 1")?;
    let mut winner = story.outside();
    winner.batch_execute(
        "BEGIN; UPDATE accounts SET balance = 1 WHERE id = 2; INSERT INTO ledger VALUES (5, 2), (6, 2), (7, 2)",
    )?;
    let id = connection_id(&mut winner);
    thread::scope(|threads| {
        threads.spawn(|| winner.batch_execute("UPDATE accounts SET balance = 1 WHERE id = 1; ROLLBACK"));
        story.server.wait_until_blocked(id);
        victim
            .batch_execute("UPDATE accounts SET balance = 1 WHERE id = 2")
            .expect_err("it closes the circle");
    });
    story.heard.note(
        Phase::Statement,
        &victim
            .batch_execute("XA COMMIT 'a' ONE PHASE")
            .expect_err("it is rolled back"),
    );
    story.heard.expect(Phase::Statement, "mysql 1614 xa rolled back");
    Ok(())
}

/// What only settings of the whole server bring about, and what ends it.
#[test]
fn a_server_of_its_own() -> aludel::Result<()> {
    let server = mariadb::private_with(&["--innodb-rollback-on-timeout=ON"]);
    let mut story = Story::on(&server, "own");
    server.execute("CREATE USER app@'127.0.0.1' IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO app@'127.0.0.1'");
    server.execute("REVOKE SUPER, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* FROM app@'127.0.0.1'");
    // Whoever may do everything may write to a read-only server, too.
    let app = format!("mysql://app:pw@127.0.0.1:{}/{}", server.port(), story.database.name());
    story.engine = story.heard.listened_to::<MysqlConnection>(&app).build()?;
    a_lock_wait_takes_all_of_the_transaction(&story)?;
    a_commit_waits_for_a_global_lock(&story)?;
    it_becomes_read_only(&story)?;
    it_is_told_too_much_at_once(&story, &app);
    it_is_full(&story, &app);
    it_goes_away(&story, &app)
}

/// Under `innodb_rollback_on_timeout`.
fn a_lock_wait_takes_all_of_the_transaction(story: &Story<'_>) -> aludel::Result<()> {
    let mut holder = story.outside();
    holder.batch_execute("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1")?;
    let mut session = story.session();
    run(&mut session, "SET innodb_lock_wait_timeout = 1")?;
    run(&mut session, "UPDATE accounts SET balance = 2 WHERE id = 2")?;
    run(&mut session, "UPDATE accounts SET balance = 2 WHERE id = 1").expect_err("it is locked");
    story.heard.expect(Phase::Statement, "mysql 1205 lock wait");
    let refused_now = session
        .batch_execute("SELECT 1")
        .expect_err("the server has rolled back all of it");
    assert!(aludel::Error::from(refused_now).is_doomed());
    session.rollback()?;
    holder.batch_execute("ROLLBACK")?;
    Ok(())
}

/// That of FLUSH TABLES WITH READ LOCK: it runs out of time, or is interrupted.
fn a_commit_waits_for_a_global_lock(story: &Story<'_>) -> aludel::Result<()> {
    let (server, heard) = (story.server, &story.heard);
    let mut session = story.session();
    for (how, seconds, rules) in [
        (None, 1, &["mysql 1205 lock wait"][..]),
        (Some("KILL QUERY"), 60, &["mysql 1317 interrupted"]),
        (Some("KILL"), 60, &GONE),
    ] {
        run(&mut session, &format!("SET SESSION lock_wait_timeout = {seconds}"))?;
        run(&mut session, "UPDATE accounts SET balance = balance + 1")?;
        let mut lock = server.connect();
        lock.batch_execute("FLUSH TABLES WITH READ LOCK")?;
        let id = backend(&mut session)?;
        thread::scope(|threads| {
            let blocked = threads.spawn(|| session.commit());
            if let Some(how) = how {
                server.wait_until_blocked(id);
                server.execute(&format!("{how} {id}"));
            }
            blocked.join().expect("no panic").expect_err("COMMIT could not be done");
        });
        drop(lock);
        heard.expect_any(Phase::Commit, rules);
    }
    Ok(())
}

/// At a statement, and between the last one and COMMIT.
fn it_becomes_read_only(story: &Story<'_>) -> aludel::Result<()> {
    let (server, heard, pool) = (story.server, &story.heard, story.engine.pool());
    let mut session = story.session();
    for at_commit in [false, true] {
        if at_commit {
            run(&mut session, "UPDATE accounts SET balance = balance + 1")?;
        }
        server.execute("SET GLOBAL read_only = ON");
        let generation = pool.generation();
        let phase = if at_commit {
            let error = session.commit().expect_err("it writes no more");
            assert!(!error.is_commit_unknown(), "{error}");
            Phase::Commit
        } else {
            run(&mut session, "UPDATE accounts SET balance = 0").expect_err("it writes no more");
            Phase::Statement
        };
        server.execute("SET GLOBAL read_only = OFF");
        heard.expect(phase, "mysql 1290 read-only");
        assert_eq!(
            pool.generation(),
            generation + 1,
            "no connection to this host is of use"
        );
        session.rollback()?;
    }
    Ok(())
}

/// A packet that is larger than it takes.
fn it_is_told_too_much_at_once(story: &Story<'_>, app: &str) {
    let (server, heard) = (story.server, &story.heard);
    server.execute("SET GLOBAL max_allowed_packet = 1024");
    let mut small = MysqlConnection::establish(app).expect("it is let in");
    server.execute("SET GLOBAL max_allowed_packet = 16777216");
    let error = small
        .batch_execute(&format!("SELECT '{}'", "x".repeat(17_000)))
        .expect_err("it is too much");
    heard.note(Phase::Statement, &error);
    // MariaDB's library keeps the reason to itself; a server whose answer gets through says 1153.
    heard.expect_any(Phase::Statement, &[GONE[0], GONE[1], "mysql 1153 packet too large"]);
}

/// It keeps one connection for an administrator.
fn it_is_full(story: &Story<'_>, app: &str) {
    let (server, heard) = (story.server, &story.heard);
    story.engine.dispose();
    server.execute("SET GLOBAL max_connections = 10");
    let mut crowd: Vec<MysqlConnection> = Vec::new();
    while let Ok(connection) = MysqlConnection::establish(app) {
        crowd.push(connection);
    }
    heard.refused::<MysqlConnection>(app, "mysql 1040 too many");
    drop(crowd);
    poll::until("there is room again", SOON, || MysqlConnection::establish(app).ok());
    heard.forget();
}

/// In good order around a statement that waits, and then without a word.
fn it_goes_away(story: &Story<'_>, app: &str) -> aludel::Result<()> {
    let (server, heard) = (story.server, &story.heard);
    let mut session = story.session();
    let mut holder = story.outside();
    holder.batch_execute("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1")?;
    let id = backend(&mut session)?;
    thread::scope(|threads| {
        let blocked = threads.spawn(|| run(&mut session, "UPDATE accounts SET balance = 2 WHERE id = 1"));
        server.wait_until_blocked(id);
        server.restart();
        blocked.join().expect("no panic").expect_err("the server went away");
    });
    heard.expect_any(Phase::Statement, &[GONE[0], GONE[1], GONE[2], "mysql 1053 shutdown"]);
    session.rollback()?;
    run(&mut session, "UPDATE accounts SET balance = 2 WHERE id = 1")?;
    server.kill_9();
    session.commit().expect_err("nobody knows");
    heard.expect_any(Phase::Commit, &GONE);
    heard.refused::<MysqlConnection>(app, "mysql 2003 unreachable");
    Ok(())
}
