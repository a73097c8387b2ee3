//! Every error that SQLite can be made to say: what it says is in the corpus, and is taken for what it is (facts D12, D20).

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

use aludel::Phase;
use aludel::classify::Flavour;
use aludel::prelude::*;
use aludel_tests::corpus::Heard;
use aludel_tests::sqlite::{self, TempDatabase};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

const SCHEMA: &str = "\
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, balance INTEGER CHECK (balance >= 0)); \
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, account INTEGER REFERENCES accounts DEFERRABLE INITIALLY IMMEDIATE); \
    CREATE TRIGGER closed BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the books are closed'); END; \
    CREATE TRIGGER sealed BEFORE DELETE ON accounts BEGIN SELECT RAISE(ROLLBACK, 'the bank is closed'); END; \
    INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 500); INSERT INTO ledger VALUES (1, 1)";

/// One database in a file, the engine that is listened to, and what it has heard.
struct Story {
    file: TempDatabase,
    heard: Heard,
    engine: Engine<SqliteConnection>,
}

type Lite = Session<SqliteConnection>;

impl Story {
    fn new() -> Self {
        let file = sqlite::file();
        outside(&file).batch_execute(SCHEMA).expect("an empty file");
        let heard = Heard::new(Flavour::Sqlite);
        let engine = heard
            .listened_to::<SqliteConnection>(file.url())
            .build()
            .expect("a good URL");
        Self { file, heard, engine }
    }

    fn outside(&self) -> SqliteConnection {
        outside(&self.file)
    }
}

/// It does not wait: who is in the way here stays there.
fn outside(file: &TempDatabase) -> SqliteConnection {
    SqliteConnection::establish(file.url()).expect("the file can be opened")
}

fn run(session: &mut Lite, sql: &str) -> QueryResult<usize> {
    diesel::sql_query(sql).execute(session)
}

#[test]
fn plain_mistakes_and_transactions_that_they_end() {
    let story = Story::new();
    let constraint = "sqlite 19 constraint (kind)";
    for (sql, rule, stands) in [
        ("INSERT INTO accounts VALUES (1, 'Eve', 1)", constraint, true),
        ("INSERT INTO accounts VALUES (9, 'Ann', 1)", constraint, true),
        ("INSERT INTO accounts VALUES (9, NULL, 1)", constraint, true),
        ("UPDATE accounts SET balance = -1", constraint, true),
        ("INSERT INTO ledger VALUES (2, 99)", constraint, true),
        (
            "INSERT OR ROLLBACK INTO accounts VALUES (1, 'Eve', 1)",
            constraint,
            false,
        ),
        ("DELETE FROM ledger", "sqlite unknown", true),
        ("DELETE FROM accounts", "sqlite unknown", false),
        ("SELEC 1", "sqlite unknown", true),
        ("SELECT * FROM acounts", "sqlite unknown", true),
    ] {
        let mut session = story.engine.session();
        run(&mut session, "UPDATE accounts SET balance = 1").expect("nobody is in the way");
        run(&mut session, sql).expect_err(sql);
        story.heard.expect(Phase::Statement, rule);
        let goes_on = run(&mut session, "UPDATE accounts SET balance = 2");
        assert_eq!(goes_on.is_ok(), stands, "{sql}");
        session.rollback().expect("it can be rolled back");
    }
}

#[test]
fn locks() -> aludel::Result<()> {
    let story = Story::new();
    let heard = &story.heard;
    let busy = "sqlite 5 busy";
    // Somebody writes: a statement, and a BEGIN that wants to write.
    let mut writer = story.outside();
    writer.batch_execute("BEGIN IMMEDIATE")?;
    let mut session = story.engine.session();
    run(&mut session, "UPDATE accounts SET balance = 1").expect_err("somebody writes");
    heard.expect(Phase::Statement, busy);
    session.rollback()?;
    let mut raw = story.outside();
    heard.note(
        Phase::Begin,
        &raw.batch_execute("BEGIN IMMEDIATE").expect_err("somebody writes"),
    );
    heard.expect(Phase::Begin, busy);
    writer.batch_execute("ROLLBACK")?;

    // Somebody reads: COMMIT cannot be done, and can be repeated.
    let mut reader = story.outside();
    reader.batch_execute("BEGIN; SELECT * FROM accounts")?;
    run(&mut session, "UPDATE accounts SET balance = 1")?;
    let error = session.commit().expect_err("somebody reads");
    assert!(error.is_retryable() && !error.is_commit_unknown(), "{error}");
    heard.expect(Phase::Commit, busy);
    reader.batch_execute("ROLLBACK")?;

    // A snapshot that is too old to be written to.
    story.outside().batch_execute("PRAGMA journal_mode = WAL")?;
    let read: Vec<i32> = diesel::dsl::sql_query("SELECT id FROM accounts")
        .load::<Row>(&mut session)?
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(read, [1, 2]);
    story.outside().batch_execute("UPDATE accounts SET balance = 3")?;
    run(&mut session, "UPDATE accounts SET balance = 4").expect_err("its snapshot is too old");
    heard.expect(Phase::Statement, busy);
    session.rollback()?;

    // Two connections to one cache.
    let shared = Engine::<SqliteConnection>::builder(sqlite::shared())
        .handle_error(heard.hook())
        .on_connect(|raw, _| Ok(raw.batch_execute("PRAGMA busy_timeout = 0")?))
        .build()?;
    shared.begin(|session| Ok(session.batch_execute("CREATE TABLE accounts (id INTEGER)")?))?;
    let (mut one, mut other) = (shared.session(), shared.session());
    run(&mut one, "INSERT INTO accounts VALUES (1)")?;
    diesel::sql_query("SELECT id FROM accounts")
        .load::<Row>(&mut other)
        .expect_err("the table is locked");
    heard.expect(Phase::Fetch, busy); // SQLite runs a query while its rows are read
    Ok(())
}

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

#[test]
fn answers_to_commit_and_savepoints_that_are_gone() -> aludel::Result<()> {
    let story = Story::new();
    let mut session = story.engine.session();
    run(&mut session, "PRAGMA defer_foreign_keys = ON")?;
    run(&mut session, "INSERT INTO ledger VALUES (3, 99)")?;
    let error = session.commit().expect_err("there is no such account");
    assert!(!error.is_retryable() && !error.is_commit_unknown(), "{error}");
    story.heard.expect(Phase::Commit, "sqlite 19 constraint (kind)");

    let mut raw = story.outside();
    for (phase, sql, rule) in [
        (Phase::Commit, "COMMIT", "sqlite 1 no transaction"),
        (Phase::Rollback, "ROLLBACK", "sqlite 1 no transaction"),
        (Phase::Release, "RELEASE SAVEPOINT aludel_sp_1", "sqlite 1 savepoint"),
        (
            Phase::RollbackTo,
            "ROLLBACK TO SAVEPOINT aludel_sp_1",
            "sqlite 1 savepoint",
        ),
    ] {
        story.heard.note(phase, &raw.batch_execute(sql).expect_err(sql));
        story.heard.expect(phase, rule);
    }
    Ok(())
}

#[test]
fn files_that_are_full_read_only_spoilt_or_not_there() -> aludel::Result<()> {
    let story = Story::new();
    let heard = &story.heard;
    let mut session = story.engine.session();
    run(&mut session, "PRAGMA max_page_count = 8")?;
    run(&mut session, "INSERT INTO accounts VALUES (9, randomblob(1000000), 1)").expect_err("it is too much");
    heard.expect(Phase::Statement, "sqlite 13 full");
    session.rollback()?;
    drop(session);
    story.engine.dispose();

    let read_only = heard
        .listened_to::<SqliteConnection>(&format!("{}?mode=ro", story.file.url()))
        .build()?;
    run(&mut read_only.session(), "UPDATE accounts SET balance = 1").expect_err("it only reads");
    heard.expect(Phase::Statement, "sqlite 8 readonly");
    drop(read_only);

    // No journal can be made where a folder has its name.
    let journal = story.file.folder().join("test.db-journal");
    fs::create_dir(&journal).expect("a folder can be made");
    let mut session = story.engine.session();
    run(&mut session, "UPDATE accounts SET balance = 1").expect_err("there is no place for its journal");
    heard.expect_any(Phase::Statement, &["sqlite 10 io", "sqlite 14 cannot open"]);
    session.rollback()?;
    fs::remove_dir(&journal).expect("it is empty");
    drop(session);
    story.engine.dispose();

    let missing = story.file.folder().join("nowhere/test.db");
    let engine = heard
        .listened_to::<SqliteConnection>(&format!("sqlite://{}", missing.display()))
        .build()?;
    engine.raw_connection().map(drop).expect_err("there is no such folder");
    heard.expect(Phase::Connect, "sqlite 14 cannot open");

    // Spoilt in the middle, and from the start.
    for (from, rule) in [(4096, "sqlite 11 corrupt"), (0, "sqlite 11 corrupt")] {
        spoil(&story.file, from);
        let engine = Engine::<SqliteConnection>::builder(story.file.url())
            .handle_error(heard.hook())
            .build()?;
        let mut session = engine.session();
        let failed = run(&mut session, "UPDATE accounts SET balance = balance + 1");
        failed.expect_err("it is spoilt");
        heard.expect(Phase::Statement, rule);
    }
    Ok(())
}

/// Writes noise over a page of the file.
fn spoil(file: &TempDatabase, from: u64) {
    let mut file = OpenOptions::new()
        .write(true)
        .open(file.path())
        .expect("the file is ours");
    file.seek(SeekFrom::Start(from)).expect("the file is long enough");
    file.write_all(&[0xA5; 4096]).expect("the file can be written");
}
