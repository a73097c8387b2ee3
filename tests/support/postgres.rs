//! Private `PostgreSQL` servers.
//!
//! [`server`] is shared by a whole test binary, a database for each test. A test that restarts, kills or freezes its
//! server takes a [`private`] one, which takes about a second to start.
//!
//! ```no_run
//! use aludel_tests::postgres;
//!
//! let database = postgres::server().database("transfers");
//! println!("{}", database.url()); // postgres://aludel:…@127.0.0.1:16543/transfers_1
//! ```

use crate::{TestDatabase, certificates, poll, ports, program, watchdog::Watchdog};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Text};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PACKAGE: &str = "postgresql";

/// The user of the tests. It owns its databases and may end other sessions, but is no superuser.
const USER: &str = "aludel";

/// How long a statement may take until the server counts it as waiting for a lock.
const BLOCKED_DEADLINE: Duration = Duration::from_secs(30);

/// A running server of our own.
#[derive(Debug)]
pub struct Postgres {
    watchdog: Watchdog,
    port: u16,
    password: String,
    databases: AtomicU32,
    /// More settings of the server.
    settings: Vec<String>,
}

/// The server of this test binary, started when it is first asked for.
///
/// # Panics
///
/// If `PostgreSQL` is not installed, or does not start.
pub fn server() -> &'static Postgres {
    // Not a OnceLock: where the start fails, the other tests must not all try and fail again for as long.
    static SERVER: LazyLock<Postgres> = LazyLock::new(private);
    &SERVER
}

/// A server for one test alone. It is gone when this is dropped.
///
/// # Panics
///
/// As [`server`].
pub fn private() -> Postgres {
    Postgres::start_new(None, &[])
}

/// A server for one test alone that can encrypt. Its certificate is for `host`, which is 127.0.0.1 or is not this server,
/// and signed by [`Postgres::authority`].
///
/// # Panics
///
/// As [`server`].
pub fn private_with_tls(host: &str) -> Postgres {
    Postgres::start_new(Some(host), &[])
}

/// A server for one test alone, with more settings, e.g. `"max_connections=10"`.
///
/// # Panics
///
/// As [`server`].
pub fn private_with(settings: &[&str]) -> Postgres {
    Postgres::start_new(None, settings)
}

/// The process that serves a connection, for [`Postgres::terminate`] and [`Postgres::wait_until_blocked`].
///
/// # Panics
///
/// If the connection cannot say.
pub fn backend_pid<C>(connection: &mut C) -> i32
where
    C: LoadConnection<Backend = Pg>,
{
    diesel::select(sql::<Integer>("pg_backend_pid()"))
        .get_result(connection)
        .expect("a living connection knows its process")
}

impl Postgres {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password in every URL, so that a test can look whether it shows up where it should not.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What the server has printed so far.
    pub fn log(&self) -> String {
        self.watchdog.log()
    }

    /// Its folder, which is removed with it.
    pub fn folder(&self) -> &std::path::Path {
        self.watchdog.folder()
    }

    /// The certificate of the authority that signed the server's own, and did not sign `stranger.pem` beside it. It is
    /// there if the server can encrypt.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// How to connect to a database as the user of the tests.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// A fresh, empty database whose name begins with `name`, owned by the user of the tests.
    pub fn database(&self, name: &str) -> TestDatabase {
        let name = format!("{name}_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        self.execute(&format!("CREATE DATABASE \"{name}\" OWNER {USER}"));
        let url = self.url(&name);
        TestDatabase::new(name, url)
    }

    /// A plain Diesel connection as superuser, to the database `postgres`.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    #[track_caller]
    pub fn connect(&self) -> PgConnection {
        self.try_connect("postgres")
            .expect("the server takes a connection from its superuser")
    }

    /// Runs statements as superuser in the database `postgres`, on a connection of their own.
    ///
    /// # Panics
    ///
    /// If one fails.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.execute_in("postgres", sql);
    }

    /// [`execute`](Self::execute) in another database.
    ///
    /// # Panics
    ///
    /// If one fails.
    #[track_caller]
    pub fn execute_in(&self, database: &str, sql: &str) {
        let outcome = self
            .try_connect(database)
            .map_err(|error| error.to_string())
            .and_then(|mut superuser| superuser.batch_execute(sql).map_err(|error| error.to_string()));
        if let Err(error) = outcome {
            panic!("as superuser on PostgreSQL: {sql}: {error}");
        }
    }

    /// The processes of the connections to a database, oldest first.
    ///
    /// # Panics
    ///
    /// If the server cannot say.
    #[track_caller]
    pub fn connections(&self, database: &str) -> Vec<i32> {
        let rows: Vec<Backend> = diesel::sql_query(
            "SELECT pid FROM pg_stat_activity \
             WHERE datname = $1 AND backend_type = 'client backend' ORDER BY backend_start, pid",
        )
        .bind::<Text, _>(database)
        .load(&mut self.connect())
        .expect("the superuser may read the activity");
        rows.into_iter().map(|row| row.pid).collect()
    }

    /// `pg_terminate_backend`, and waits until the process is gone.
    ///
    /// # Panics
    ///
    /// If there is no such process, or it stays.
    #[track_caller]
    pub fn terminate(&self, pid: i32) {
        // The second argument makes the server wait, up to so many milliseconds.
        let gone: bool = diesel::select(sql::<Bool>(&format!("pg_terminate_backend({pid}, 30000)")))
            .get_result(&mut self.connect())
            .expect("the superuser may end any session");
        assert!(gone, "PostgreSQL could not end the backend {pid}");
    }

    /// Waits until a connection waits for a lock.
    ///
    /// # Panics
    ///
    /// If it does not within half a minute.
    #[track_caller]
    pub fn wait_until_blocked(&self, pid: i32) {
        let mut superuser = self.connect();
        poll::until(&format!("backend {pid} waits for a lock"), BLOCKED_DEADLINE, || {
            let blocked: bool = diesel::select(sql::<Bool>(&format!("cardinality(pg_blocking_pids({pid})) > 0")))
                .get_result(&mut superuser)
                .expect("the superuser may look at locks");
            blocked.then_some(())
        });
    }

    /// Shuts the server down in good order (the "fast" way, which tells its clients so), and starts it again on the same
    /// port and data.
    ///
    /// # Panics
    ///
    /// If it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        self.watchdog.stop("INT");
        self.start();
    }

    /// Sends one of the server's processes a signal, e.g. `"KILL"`: a backend, or the postmaster, whose number is on the
    /// first line of `data/postmaster.pid`.
    ///
    /// # Panics
    ///
    /// If there is no such process.
    #[track_caller]
    pub fn signal(&self, pid: i32, signal: &str) {
        self.watchdog.run(&["kill", "-s", signal, &pid.to_string()]);
    }

    /// The process that all others of the server are children of.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn postmaster(&self) -> i32 {
        let file = self.folder().join("data/postmaster.pid");
        let text = fs::read_to_string(file).expect("a running server has its file");
        let first = text.lines().next().expect("the file has lines");
        first.parse().expect("its first line is a number")
    }

    /// `kill -9` for all its processes: the server is gone without a word, and its port refuses until
    /// [`start`](Self::start).
    #[track_caller]
    pub fn kill_9(&self) {
        self.watchdog.kill();
    }

    /// Starts the server again on the same port and data, after [`kill_9`](Self::kill_9).
    ///
    /// # Panics
    ///
    /// If it does not come back, or is still running.
    #[track_caller]
    pub fn start(&self) {
        if let Err(log) = self.start_on(self.port) {
            panic!("PostgreSQL does not start again:\n{log}");
        }
    }

    /// SIGSTOP for all its processes: connections stay open, and nobody answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.watchdog.freeze();
    }

    /// Ends a [`freeze`](Self::freeze).
    #[track_caller]
    pub fn thaw(&self) {
        self.watchdog.thaw();
    }

    fn start_new(certified: Option<&str>, settings: &[&str]) -> Self {
        let initdb = find("initdb");
        let watchdog = Watchdog::new("postgres", "postgres");
        let data = format!("{}/data", watchdog.folder().display());
        let password = ports::random_word();
        watchdog.write("password", &[&password]);
        // Passwords in clear text over loopback: a test that connects a hundred times should not pay for SCRAM.
        watchdog.run(&[
            &initdb,
            "-D",
            &data,
            "-U",
            "postgres",
            "-A",
            "password",
            "--pwfile=password",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        if let Some(host) = certified {
            certificates::write(&watchdog, host);
        }

        let mut server = Self {
            watchdog,
            port: 0,
            password,
            databases: AtomicU32::new(0),
            settings: settings.iter().map(ToString::to_string).collect(),
        };
        for _ in 0..3 {
            server.port = ports::free();
            match server.start_on(server.port) {
                Ok(()) => {
                    server.create_user();
                    return server;
                }
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("PostgreSQL does not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found its port taken three times:\n{}", server.log());
    }

    fn create_user(&self) {
        self.execute(&format!(
            "CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{}' IN ROLE pg_signal_backend, pg_monitor",
            self.password
        ));
    }

    #[track_caller]
    fn start_on(&self, port: u16) -> Result<(), String> {
        let data = format!("{}/data", self.watchdog.folder().display());
        let port = port.to_string();
        let mut words = vec![find("postgres"), "-D".to_owned(), data, "-p".to_owned(), port];
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=", // whose path must be short, which nobody promises of a temporary folder's
            "max_connections=200",
            "max_prepared_transactions=20",
            "shared_buffers=64MB",
            "fsync=off", // what a power cut could lose is nothing to a test; a kill -9 loses nothing
            "deadlock_timeout=50ms", // the default of 1 s would be most of what a deadlock test does
        ] {
            words.extend(["-c".to_owned(), setting.to_owned()]);
        }
        if self.authority().exists() {
            let folder = self.watchdog.folder().display();
            for setting in [
                "ssl=on".to_owned(),
                format!("ssl_cert_file={folder}/server.pem"),
                format!("ssl_key_file={folder}/server.key"),
            ] {
                words.extend(["-c".to_owned(), setting]);
            }
        }
        for setting in &self.settings {
            words.extend(["-c".to_owned(), setting.clone()]);
        }
        self.watchdog.start(&words, || {
            self.try_connect("postgres")
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    fn try_connect(&self, database: &str) -> ConnectionResult<PgConnection> {
        PgConnection::establish(&format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        ))
    }
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

fn find(program: &str) -> String {
    let path = program::find(program, PACKAGE, &folders());
    path.to_str()
        .expect("the paths of Debian's programs are UTF-8")
        .to_owned()
}

/// Debian keeps the server's programs off `PATH`, a folder for each version; `pg_config` knows the right one but comes
/// with `libpq-dev`, which need not be there. The newest version wins.
fn folders() -> Vec<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()));
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let versions = versions.into_iter().rev().map(|version| version.join("bin"));
    told.into_iter().chain(versions).collect()
}
