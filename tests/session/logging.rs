//! What statements and transactions write into the log (`test_logging.py`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use aludel::prelude::*;
use aludel::{Echo, EngineBuilder, Event, event};
use aludel_tests::capture::{Capture, is_alone, printed_by};
use aludel_tests::{EventLog, sqlite, stories};
use diesel::SqliteConnection;
use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation};
use diesel::migration::MigrationConnection;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Double, Integer, Nullable, Text};
use tracing::Level;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

fn memory() -> EngineBuilder<SqliteConnection> {
    Engine::builder("sqlite://").pool_size(1).max_overflow(0)
}

/// An engine with an empty table of notes; what made it is not in the log.
fn notes(builder: EngineBuilder<SqliteConnection>) -> aludel::Result<Engine<SqliteConnection>> {
    let engine = builder.build()?;
    let table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
    engine.begin(|session| Ok(session.batch_execute(table)?))?;
    Ok(engine)
}

fn lines(story: impl FnOnce() -> aludel::Result<()>) -> aludel::Result<Vec<String>> {
    let capture = Capture::new(Level::DEBUG);
    capture.during(story)?;
    Ok(capture.lines("aludel.engine"))
}

#[test]
fn begin_once_block() -> aludel::Result<()> {
    let engine = memory().echo(true).build()?;
    let seen = lines(|| engine.begin(|session| Ok(session.batch_execute("SELECT 1")?)))?;
    assert_eq!(seen, ["INFO BEGIN (implicit)", "INFO SELECT 1", "INFO COMMIT"]);
    Ok(())
}

#[test]
fn commit_as_you_go_block_commit() -> aludel::Result<()> {
    let engine = memory().echo(true).build()?;
    let seen = lines(|| {
        let mut connection = engine.connect();
        connection.batch_execute("SELECT 1")?;
        connection.commit()
    })?;
    assert_eq!(seen, ["INFO BEGIN (implicit)", "INFO SELECT 1", "INFO COMMIT"]);
    Ok(())
}

#[test]
fn commit_as_you_go_block_rollback() -> aludel::Result<()> {
    let engine = memory().echo(true).build()?;
    let seen = lines(|| {
        let mut session = engine.session();
        session.begin_nested(|nested| Ok(nested.batch_execute("SELECT 1")?))?;
        session.rollback()
    })?;
    assert_eq!(
        seen,
        [
            "INFO BEGIN (implicit)",
            "INFO SAVEPOINT aludel_sp_1",
            "INFO SELECT 1",
            "INFO RELEASE SAVEPOINT aludel_sp_1",
            "INFO ROLLBACK",
        ]
    );
    Ok(())
}

#[test]
fn logging_token_option_connection() -> aludel::Result<()> {
    let engine = memory().echo(true).build()?;
    let seen = lines(|| {
        let mut connection = engine.connect();
        connection.set_logging_token(Some("my_name_1"));
        connection.batch_execute("SELECT 1")?;
        connection.close()?;
        engine.begin(|session| Ok(session.batch_execute("SELECT 2")?))
    })?;
    assert_eq!(
        seen,
        [
            "INFO [my_name_1] BEGIN (implicit)",
            "INFO [my_name_1] SELECT 1",
            "INFO [my_name_1] ROLLBACK",
            "INFO BEGIN (implicit)",
            "INFO SELECT 2",
            "INFO COMMIT",
        ]
    );
    Ok(())
}

#[test]
fn logging_token_option_not_transactional() -> aludel::Result<()> {
    let engine = memory().echo(true).build()?;
    let seen = lines(|| {
        let mut session = engine.session();
        session.batch_execute("SELECT 1")?;
        session.set_logging_token(Some("later"));
        session.commit()?;
        session.set_logging_token(None);
        session.batch_execute("SELECT 2")?;
        session.rollback()
    })?;
    assert_eq!(
        seen,
        [
            "INFO BEGIN (implicit)",
            "INFO SELECT 1",
            "INFO [later] COMMIT",
            "INFO BEGIN (implicit)",
            "INFO SELECT 2",
            "INFO ROLLBACK",
        ]
    );
    Ok(())
}

#[test]
fn logging_token_option_engine() -> aludel::Result<()> {
    let engine = memory().echo(true).logging_token("my_name_1").build()?;
    let seen = lines(|| {
        let mut connection = engine.connect();
        connection.batch_execute("SELECT 1")?;
        connection.set_logging_token(Some("my_name_2"));
        connection.commit()
    })?;
    assert_eq!(
        seen,
        [
            "INFO [my_name_1] BEGIN (implicit)",
            "INFO [my_name_1] SELECT 1",
            "INFO [my_name_2] COMMIT",
        ]
    );
    Ok(())
}

#[test]
fn exception_format_hide_parameters() -> aludel::Result<()> {
    let insert = |engine: &Engine<SqliteConnection>| {
        let row = (notes::id.eq(1), notes::text.eq("the combination is 4711"));
        let twice = |session: &mut Session<SqliteConnection>| {
            diesel::insert_into(notes::table).values(row).execute(session)?;
            diesel::insert_into(notes::table).values(row).execute(session)?;
            Ok(())
        };
        engine.begin(twice).expect_err("the key is taken")
    };
    // Hidden, unless said otherwise: in the log, in errors, in events.
    let capture = Capture::new(Level::TRACE);
    let engine = notes(memory().echo(Echo::Debug).parameters_in_errors(true))?;
    let error = capture.during(|| insert(&engine));
    let all = format!("{}{error}{error:?}", capture.everything());
    assert!(all.contains("INSERT INTO `notes`") && !all.contains("4711"), "{all}");

    // Shown in the log, and still not in the error.
    let engine = notes(memory().echo(true).hide_parameters(false))?;
    let error = capture.during(|| insert(&engine));
    assert!(!format!("{error}{error:?}").contains("4711"), "{error:?}");
    let lines = capture.lines("aludel.engine").join("\n");
    assert!(lines.contains("-- binds: [1, \"the combination is 4711\"]"), "{lines}");

    // In both.
    let engine = notes(memory().hide_parameters(false).parameters_in_errors(true))?;
    let error = insert(&engine);
    let text = error.to_string();
    assert!(
        text.starts_with("UNIQUE constraint failed: notes.id\n[SQL: INSERT INTO `notes`") && text.contains("4711"),
        "{text}"
    );
    // It is still what it was.
    assert_eq!(error.class(), Class::Permanent);
    Ok(())
}

#[test]
fn error_large_dict() -> aludel::Result<()> {
    let engine = notes(memory().hide_parameters(false).parameters_in_errors(true))?;
    let error = engine
        .begin(|session| {
            let ids: Vec<i32> = (1..=1_000).collect();
            let missing = diesel::dsl::sql::<diesel::sql_types::Bool>("no_such_column = 1");
            let query = notes::table.filter(notes::id.eq_any(ids)).filter(missing);
            Ok(query.select(notes::id).load::<i32>(session)?)
        })
        .expect_err("there is no such column");
    let text = error.to_string();
    assert!(
        text.contains("-- binds: [1, 2, 3, ") && text.contains("98, ... 900 values truncated ..., 999, 1000]"),
        "{text}"
    );
    Ok(())
}

#[test]
fn log_large_parameter_single() -> aludel::Result<()> {
    let engine = notes(memory().echo(true).hide_parameters(false))?;
    let seen = lines(|| {
        let row = (notes::id.eq(1), notes::text.eq("x".repeat(5_000)));
        engine.begin(|session| {
            Ok(diesel::insert_into(notes::table)
                .values(row)
                .execute(session)
                .map(drop)?)
        })
    })?;
    let insert = seen.iter().find(|line| line.contains("INSERT")).expect("it was sent");
    assert!(
        insert.contains("xxx ... (4702 characters truncated) ... xxx"),
        "{insert}"
    );
    assert!(insert.len() < 600, "{insert}");
    Ok(())
}

#[test]
fn debug_also_shows_rows() -> aludel::Result<()> {
    type Row = (i32, String, f64, Vec<u8>, Option<i32>);
    let read = |engine: &Engine<SqliteConnection>| {
        let query = diesel::dsl::sql::<(Integer, Text, Double, Binary, Nullable<Integer>)>(
            "7 AS id, 'Ann' AS owner, 1.5 AS share, x'cafe' AS seal, NULL AS parent",
        );
        let row: Row = engine.begin(|session| Ok(diesel::select(query).get_result(session)?))?;
        assert_eq!(row, (7, "Ann".to_owned(), 1.5, vec![0xca, 0xfe], None)); // looking on changes nothing
        Ok::<_, aludel::Error>(())
    };
    let engine = memory().echo(Echo::Debug).hide_parameters(false).build()?;
    let seen = lines(|| read(&engine))?;
    assert_eq!(
        seen[2..5],
        [
            "DEBUG Col (id, owner, share, seal, parent)",
            "DEBUG Row (7, \"Ann\", 1.5, 0xcafe, NULL)",
            "DEBUG Rows read: 1",
        ]
    );
    // Hidden, there are names, sizes and counts.
    let engine = memory().echo(Echo::Debug).build()?;
    let seen = lines(|| read(&engine))?;
    assert_eq!(
        seen[3],
        "DEBUG Row ((integer), (text of 3 bytes), (float), (2 bytes), NULL)"
    );
    // And with a mere `true` there are none.
    engine.set_echo(true);
    assert_eq!(lines(|| read(&engine))?.len(), 3);
    Ok(())
}

#[test]
fn a_statement_has_a_span_with_opentelemetrys_names() -> aludel::Result<()> {
    let capture = Capture::new(Level::DEBUG);
    let engine = notes(memory().logging_name("bank"))?;
    capture.during(|| {
        engine.begin(|session| {
            let row = (notes::id.eq(1), notes::text.eq("the combination is 4711"));
            diesel::insert_into(notes::table).values(row).execute(session)?;
            Ok(notes::table.select(notes::id).load::<i32>(session)?)
        })?;
        engine
            .begin(|session| Ok(session.batch_execute("no SQL")?))
            .expect_err("it is none");
        Ok::<_, aludel::Error>(())
    })?;
    let spans = capture.spans("statement");
    let operations: Vec<_> = spans
        .iter()
        .filter_map(|span| span.field("db.operation.name"))
        .collect();
    assert_eq!(
        operations,
        ["BEGIN", "INSERT", "SELECT", "COMMIT", "BEGIN", "NO", "ROLLBACK"]
    );
    for (name, value) in [
        ("db.system.name", Some("sqlite")),
        ("db.query.text", Some("SELECT `notes`.`id` FROM `notes`")),
        ("db.client.connection.pool.name", Some("bank")),
        ("db.response.returned_rows", Some("1")),
        ("server.address", None),
        ("otel.kind", Some("client")),
    ] {
        assert_eq!(spans[2].field(name), value, "{name}");
    }
    assert_eq!(spans[5].field("otel.status_code"), Some("ERROR"));
    assert!(!capture.everything().contains("4711") && !format!("{spans:?}").contains("4711"));
    // Nobody who looks at INFO only has to pay for them.
    let capture = Capture::new(Level::INFO);
    capture.during(|| engine.begin(|session| Ok(session.batch_execute("SELECT 1")?)))?;
    assert!(capture.everything().is_empty(), "{}", capture.everything());
    Ok(())
}

#[test]
fn what_becomes_of_a_transaction_is_told_in_sentences() -> aludel::Result<()> {
    let capture = Capture::new(Level::INFO);
    let engine = notes(memory())?;
    capture.during(|| {
        let mut session = engine.session();
        session.batch_execute("INSERT INTO notes VALUES (1, 'x')")?;
        session
            .batch_execute("SELECT * FROM missing")
            .expect_err("there is no such table");
        drop(session);
        Ok::<_, aludel::Error>(())
    })?;
    assert_eq!(
        capture.lines("aludel.session"),
        [
            "INFO Statement failed (permanent): no such table: missing",
            "WARN a session was dropped with uncommitted writes, which are rolled back; call commit() or rollback(); \
             first write: INSERT INTO notes VALUES (1, 'x')",
        ]
    );
    Ok(())
}

/// What Diesel's default instrumentation was shown, in a process that has nothing else to do.
static SHOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[expect(clippy::unnecessary_wraps, reason = "the signature is Diesel's")]
fn recorder() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        SHOWN.lock().expect("nobody panics").push(format!("{event:?}"));
    }))
}

#[test]
fn diesels_default_instrumentation_still_works() -> aludel::Result<()> {
    if !is_alone() {
        printed_by("logging::diesels_default_instrumentation_still_works");
        return Ok(());
    }
    // However it was set: there is no password in a URL of SQLite's.
    for set in [event::set_default_instrumentation, set_default_instrumentation] {
        set(recorder).map_err(aludel::Error::from)?;
        memory()
            .build()?
            .begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
        let seen = std::mem::take(&mut *SHOWN.lock().expect("nobody panics"));
        for text in [
            "StartEstablishConnection { url: \":memory:\" }",
            "FinishEstablish",
            "SELECT 1",
        ] {
            assert!(seen.iter().any(|event| event.contains(text)), "{text} in {seen:?}");
        }
    }
    Ok(())
}

/// A database in memory is kept when a panic has interrupted its borrower; what the borrower had set is not.
#[test]
fn a_borrowers_instrumentation_is_gone_with_it_also_after_a_panic() -> aludel::Result<()> {
    let engine = notes(memory())?;
    let heard = EventLog::new();
    let mut session = engine.session();
    session.set_instrumentation(stories::statements(&heard));
    catch_unwind(AssertUnwindSafe(|| {
        session.begin(|session| -> aludel::Result<()> {
            session.batch_execute("DELETE FROM notes")?;
            panic!("on purpose")
        })
    }))
    .unwrap_err();
    drop(session);
    heard.take();
    engine.begin(|session| Ok(session.batch_execute("SELECT id FROM notes")?))?;
    heard.expect(&[]);
    Ok(())
}

/// Whoever counts what is running must not count for ever.
#[test]
fn a_statement_ends_also_when_a_panic_cuts_it_short() -> aludel::Result<()> {
    let file = sqlite::file();
    let told = EventLog::new();
    let into = told.clone();
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .listen_statements(move |event| match event {
            Event::BeforeStatement { sql, .. } => into.push(format!("before {sql}")),
            Event::Statement { sql, failed, rows, .. } => into.push(format!("after {sql} {failed} {rows:?}")),
            _ => {}
        })
        .build()?;
    let mut connection = engine.connect();
    connection.batch_execute("SELECT 1")?;
    told.take();
    connection.set_instrumentation(|event: InstrumentationEvent<'_>| {
        assert!(!matches!(event, InstrumentationEvent::StartQuery { .. }), "on purpose");
    });
    let sent = catch_unwind(AssertUnwindSafe(|| {
        diesel::sql_query("SELECT 2").execute(&mut connection)
    }));
    assert!(sent.is_err());
    let read = catch_unwind(AssertUnwindSafe(|| {
        notes::table.count().get_result::<i64>(&mut engine.connect())
    }));
    assert!(read.is_ok_and(|answer| answer.is_err()), "there is no such table");
    told.expect(&[
        "before SELECT 2",
        "after SELECT 2 true None",
        "before BEGIN",
        "after BEGIN false None",
        "before SELECT COUNT(*) FROM `notes`",
        "after SELECT COUNT(*) FROM `notes` true None",
        "before ROLLBACK",
        "after ROLLBACK false None",
    ]);
    Ok(())
}

#[test]
fn whatever_writes_is_told() -> aludel::Result<()> {
    #[derive(AsChangeset, Identifiable, Queryable)]
    struct Note {
        id: i32,
        text: String,
    }
    let told = EventLog::new();
    let into = told.clone();
    let engine = notes(memory().listen_statements(move |event| {
        if let Event::Statement { sql, .. } = event {
            into.push((*sql).to_owned());
        }
    }))?;
    let mut session = engine.session();
    session.batch_execute("INSERT INTO notes VALUES (1, 'one')")?;
    let note = Note {
        id: 1,
        text: "two".to_owned(),
    };
    told.take();
    let saved: Note = note.save_changes(&mut session)?;
    assert_eq!(saved.text, "two");
    MigrationConnection::setup(&mut session)?;
    let all = told.take();
    assert!(
        all[0].starts_with("UPDATE (save_changes of ") && all[0].contains("Note"),
        "{all:?}"
    );
    assert!(all[1].contains("__diesel_schema_migrations"), "{all:?}");
    assert_eq!(all.len(), 2);
    Ok(())
}

/// Whoever collects the lines of a program may be gone before the program is.
#[test]
fn a_standard_error_that_nobody_reads_harms_nobody() -> aludel::Result<()> {
    if !is_alone() {
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        drop(reader);
        let this = std::env::current_exe().expect("a test binary knows itself");
        let ended = Command::new(this)
            .args(["--exact", "logging::a_standard_error_that_nobody_reads_harms_nobody"])
            .arg("--nocapture")
            .env("ALUDEL_TEST_ALONE", "yes")
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .expect("this binary can be started again");
        assert!(ended.success());
        return Ok(());
    }
    let engine = memory().echo(Echo::Debug).echo_pool(Echo::Debug).build()?;
    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))
}
