//! What is shown of sessions on a real server, and what never is: the story once for both servers.

/// Tests of what is logged, listened to and hidden on a server.
///
/// The calling module has a `Bank` with its `server`, `database` and `engine`, `accounts`, the constants `SCHEME` (of a URL) and
/// `SYSTEM` (OpenTelemetry's name), `user(name, password)`, SQL that makes one, and `kill(&Bank, i64)`, which ends a
/// connection. It gets `recorder` and `shown`, a default instrumentation for Diesel and what that was shown.
#[macro_export]
macro_rules! logging_stories {
    ($connection:ty) => {
        use std::fmt::Write as _;
        use std::sync::{Mutex, PoisonError};

        use aludel::prelude::*;
        use aludel::{Echo, Error, ErrorKind, event};
        use aludel_tests::capture::{Capture, is_alone, printed_by};
        use aludel_tests::{EventLog, ports, secrets};
        use diesel::connection::{
            Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation,
        };
        use diesel::prelude::*;
        use tracing::Level;

        /// What Diesel's default instrumentation was shown, in a process that has nothing else to do.
        static SHOWN: Mutex<String> = Mutex::new(String::new());

        #[expect(clippy::unnecessary_wraps, reason = "the signature is Diesel's")]
        fn recorder() -> Option<Box<dyn Instrumentation>> {
            Some(Box::new(|event: InstrumentationEvent<'_>| {
                let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
                writeln!(shown, "{event:?}").expect("a text takes everything");
            }))
        }

        fn shown() -> String {
            std::mem::take(&mut *SHOWN.lock().unwrap_or_else(PoisonError::into_inner))
        }

        #[test]
        fn diesels_default_instrumentation_never_sees_a_password_through_us() -> aludel::Result<()> {
            if !is_alone() {
                // It is one for the whole process, so this story has a process of its own.
                printed_by("logging::diesels_default_instrumentation_never_sees_a_password_through_us");
                return Ok(());
            }
            let bank = Bank::open("instrumentation_default");
            let password = bank.server.password();
            event::set_default_instrumentation(recorder).map_err(Error::from)?;
            bank.engine
                .begin(|session| Ok(accounts::table.count().get_result::<i64>(session).map(drop)?))?;
            let seen = shown();
            for text in [
                "StartEstablishConnection",
                "FinishEstablishConnection",
                ":***@127.0.0.1",
                "COUNT(*)",
            ] {
                assert!(seen.contains(text), "{text} in {seen}");
            }
            assert!(!seen.contains(password), "{seen}");
            // Nor does it see the one of a connection that is none of ours.
            drop(bank.outside());
            assert!(shown().contains(":***@127.0.0.1"));

            // Diesel's own function shows everything, in each of its `establish`, and cannot be looked behind.
            set_default_instrumentation(recorder).map_err(Error::from)?;
            drop(bank.outside());
            assert!(
                shown().contains(password),
                "Diesel has learned to be discreet: so can we be less strict"
            );
            bank.engine.dispose();
            behind_diesels_own_function(&bank)
        }

        #[test]
        fn a_password_appears_in_no_output_when_nobody_listens() {
            let port = ports::free();
            for password in secrets::passwords() {
                let url = format!("{SCHEME}://app:{}@127.0.0.1:{port}/bank", password.written);
                let shown = secrets::shown_by::<$connection>(&url, |engine| {
                    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))
                });
                secrets::expect_hidden(&password, &shown);
            }
        }

        #[test]
        fn a_password_appears_in_no_output_of_a_server_that_refuses_it() {
            let bank = Bank::open("wrong_passwords");
            for password in secrets::passwords().into_iter().step_by(5) {
                let url = format!(
                    "{SCHEME}://aludel:{}@127.0.0.1:{}/{}",
                    password.written,
                    bank.server.port(),
                    bank.database.name()
                );
                let shown = secrets::shown_by::<$connection>(&url, |engine| {
                    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))
                });
                secrets::expect_hidden(&password, &shown);
            }
        }

        #[test]
        fn a_password_appears_in_no_output_of_a_session_that_works() {
            let bank = Bank::open("odd_passwords");
            let odd: String = (33_u8..127)
                .map(char::from)
                .filter(|odd| !"'\\".contains(*odd))
                .collect();
            let plain = format!("{}{odd}é密{}", secrets::MARKS[0], secrets::MARKS[1]);
            let written = secrets::percent_encoded(&plain);
            bank.server.execute(&user("odd", &plain));
            let url = format!(
                "{SCHEME}://odd:{written}@127.0.0.1:{}/{}",
                bank.server.port(),
                bank.database.name()
            );
            let password = secrets::Password { plain, written };
            let worked = Mutex::new(false);
            let shown = secrets::shown_by::<$connection>(&url, |engine| {
                let mut session = engine.session();
                diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1")).get_result::<i32>(&mut session)?;
                session.begin_nested(|nested| Ok(nested.batch_execute("SELECT 2")?))?;
                *worked.lock().expect("nobody panics") = true;
                session.batch_execute("SELECT * FROM missing")?;
                Ok(())
            });
            assert!(
                *worked.lock().expect("nobody panics") && shown.contains("missing"),
                "{shown}"
            );
            secrets::expect_hidden(&password, &shown);
        }

        #[test]
        fn rows_are_shown_as_far_as_they_can_be_read() -> aludel::Result<()> {
            let bank = Bank::open("rows");
            let engine = Engine::<$connection>::builder(bank.database.url())
                .echo(Echo::Debug)
                .hide_parameters(false)
                .build()?;
            let capture = Capture::new(Level::DEBUG);
            let owners = |session: &mut Session<$connection>| {
                let query = accounts::table.select((accounts::id, accounts::owner, accounts::balance));
                Ok(query
                    .order(accounts::id)
                    .limit(1)
                    .load::<(i32, String, i64)>(session)?)
            };
            let rows = capture.during(|| engine.begin(owners))?;
            assert_eq!(rows, [(1, "Ann".to_owned(), 500)]); // looking on changes nothing
            let lines = capture.lines("aludel.engine");
            assert!(lines[1].ends_with("-- binds: [1]"), "{lines:?}");
            assert_eq!(
                lines[2..],
                [
                    "DEBUG Col (id, owner, balance)",
                    "DEBUG Row (1, \"Ann\", 500)",
                    "DEBUG Rows read: 1",
                    "INFO COMMIT",
                ]
            );
            let engine = Engine::<$connection>::builder(bank.database.url())
                .echo(Echo::Debug)
                .build()?;
            capture.during(|| engine.begin(owners))?;
            let lines = capture.lines("aludel.engine");
            assert_eq!(lines[3], "DEBUG Row ((4 bytes), (3 bytes), (8 bytes))");
            assert!(!lines.join("\n").contains("binds"), "{lines:?}");
            Ok(())
        }

        #[test]
        fn spans_and_lines_name_the_server() -> aludel::Result<()> {
            let bank = Bank::open("spans");
            let capture = Capture::new(Level::DEBUG);
            capture.during(|| {
                bank.engine
                    .begin(|session| Ok(accounts::table.count().get_result::<i64>(session)?))
            })?;
            let spans = capture.spans("statement");
            let port = bank.server.port().to_string();
            for (name, value) in [
                ("db.system.name", SYSTEM),
                ("db.namespace", bank.database.name()),
                ("server.address", "127.0.0.1"),
                ("server.port", &port),
                ("db.operation.name", "SELECT"),
                ("db.response.returned_rows", "1"),
            ] {
                assert_eq!(spans[1].field(name), Some(value), "{name}");
            }
            let operations: Vec<_> = spans
                .iter()
                .filter_map(|span| span.field("db.query.text"))
                .collect();
            assert_eq!((operations[0], operations[2]), ("BEGIN", "COMMIT"));
            Ok(())
        }

        /// An engine that pings at every checkout, with a hook that sees the ping fail; its one connection is killed.
        fn pinged(
            bank: &Bank,
            log: &EventLog,
            hook: impl Fn(&mut ErrorContext<'_>) + Send + Sync + 'static,
        ) -> aludel::Result<Engine<$connection>> {
            let into = log.clone();
            let engine = Engine::<$connection>::builder(bank.database.url())
                .pool_pre_ping(PrePing::Always)
                .handle_error(move |context| {
                    into.push(format!("pre-ping {}: {}", context.is_pre_ping(), context.class()));
                    hook(context);
                })
                .build()?;
            let id = engine.connect().backend_id()?.expect("the server has one");
            kill(bank, id);
            Ok(engine)
        }

        #[test]
        fn pre_ping_control() -> aludel::Result<()> {
            let (bank, log) = (Bank::open("pre_ping_control"), EventLog::new());
            let engine = pinged(&bank, &log, |_| {})?;
            engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?; // on a new one
            log.expect(&["pre-ping true: disconnect"]);
            assert_eq!(engine.pool().opened(), 2);
            Ok(())
        }

        #[test]
        fn pre_ping_event_handler_didnt_upgrade_disconnect() -> aludel::Result<()> {
            // The hook says what the classifier has said as well: nothing changes.
            let (bank, log) = (Bank::open("pre_ping_upgrade"), EventLog::new());
            let engine = pinged(&bank, &log, |context| context.set_class(Class::Disconnect))?;
            engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
            log.expect(&["pre-ping true: disconnect"]);
            Ok(())
        }

        #[test]
        fn pre_ping_downgrade() -> aludel::Result<()> {
            // The hook says that it is no disconnect, so nothing is replaced in silence: the checkout fails with that error.
            let (bank, log) = (Bank::open("pre_ping_downgrade"), EventLog::new());
            let engine = pinged(&bank, &log, |context| {
                if context.is_pre_ping() {
                    context.set_class(Class::Permanent);
                }
            })?;
            let error = engine.raw_connection().expect_err("it is dead");
            assert!(error.to_string().contains("could not be tested"), "{error}");
            assert_eq!(
                (engine.pool().opened(), engine.pool().closed()),
                (1, 1),
                "it is closed, and its slot is free"
            );
            assert_eq!(engine.pool().generation(), 0);
            drop(engine.raw_connection()?);
            log.expect(&["pre-ping true: disconnect"]);
            Ok(())
        }

        #[test]
        fn handle_error_event_connect() -> aludel::Result<()> {
            // An error of connecting comes by the hooks, without a connection, and may be taken for something else.
            let log = EventLog::new();
            let into = log.clone();
            let url = format!("{SCHEME}://app:secret@127.0.0.1:{}/bank", ports::free());
            let engine = Engine::<$connection>::builder(&url)
                .handle_error(move |context| {
                    into.push(format!(
                        "{:?} on {:?}: {}",
                        context.phase(),
                        context.connection(),
                        context.class()
                    ));
                    context.set_class(Class::Permanent);
                })
                .build()?;
            let error = engine.begin(|_| Ok(())).expect_err("nobody listens");
            assert_eq!(
                (error.kind(), error.class()),
                (ErrorKind::Connect, Class::Permanent)
            );
            assert!(!error.is_retryable());
            log.expect(&["Connect on None: failover"]);
            Ok(())
        }
    };
}
