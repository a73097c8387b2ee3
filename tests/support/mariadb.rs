//! Private `MariaDB` servers.
//!
//! [`server`] is shared by a whole test binary, a database for each test. A test that restarts, kills or freezes its
//! server, or counts something in its global status, takes a [`private`] one, which takes about a second to start.
//!
//! ```no_run
//! use aludel_tests::mariadb;
//!
//! let database = mariadb::server().database("transfers");
//! println!("{}", database.url()); // mysql://aludel:…@127.0.0.1:16543/transfers_1
//! ```

use crate::{TestDatabase, certificates, poll, ports, program, watchdog::Watchdog};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Unsigned};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const PACKAGE: &str = "mariadb-server";

/// The user of the tests. It has all rights, so that one session can kill another.
const USER: &str = "aludel";

/// How long a statement may take until the server counts it as waiting for a lock.
const BLOCKED_DEADLINE: Duration = Duration::from_secs(30);

/// How long `innodb_trx` must be left alone to be up to date: 0.1 s, and a little for the clock.
const INNODB_TRX_AGE: Duration = Duration::from_millis(110);

/// A running server of our own.
#[derive(Debug)]
pub struct MariaDb {
    watchdog: Watchdog,
    port: u16,
    password: String,
    databases: AtomicU32,
    /// More options of the server.
    options: Vec<String>,
    /// When `innodb_trx` was last read; held while it is read again.
    last_look: Mutex<Option<Instant>>,
}

/// The server of this test binary, started when it is first asked for.
///
/// # Panics
///
/// If `MariaDB` is not installed, or does not start.
pub fn server() -> &'static MariaDb {
    // Not a OnceLock: where the start fails, the other tests must not all try and fail again for as long.
    static SERVER: LazyLock<MariaDb> = LazyLock::new(private);
    &SERVER
}

/// A server for one test alone. It is gone when this is dropped.
///
/// # Panics
///
/// As [`server`].
pub fn private() -> MariaDb {
    MariaDb::start_new(None, &[])
}

/// A server for one test alone, with more options, e.g. `"--innodb-rollback-on-timeout=ON"`.
///
/// # Panics
///
/// As [`server`].
pub fn private_with(options: &[&str]) -> MariaDb {
    MariaDb::start_new(None, options)
}

/// A server for one test alone that encrypts. Its certificate is for `host`, which is 127.0.0.1 or is not this server, and
/// signed by [`MariaDb::authority`].
///
/// # Panics
///
/// As [`server`].
pub fn private_with_tls(host: &str) -> MariaDb {
    MariaDb::start_new(Some(host), &[])
}

/// The server's own number of a connection, for [`MariaDb::kill`] and [`MariaDb::wait_until_blocked`].
///
/// # Panics
///
/// If the connection cannot say.
pub fn connection_id<C>(connection: &mut C) -> u64
where
    C: LoadConnection<Backend = Mysql>,
{
    diesel::select(sql::<Unsigned<BigInt>>("CONNECTION_ID()"))
        .get_result(connection)
        .expect("a living connection knows its number")
}

impl MariaDb {
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
    /// there if the server encrypts.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// How to connect to a database as the user of the tests.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// A fresh, empty database whose name begins with `name`.
    pub fn database(&self, name: &str) -> TestDatabase {
        let name = format!("{name}_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        self.execute(&format!("CREATE DATABASE `{name}`"));
        let url = self.url(&name);
        TestDatabase::new(name, url)
    }

    /// A plain Diesel connection as root, to no database.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    #[track_caller]
    pub fn connect(&self) -> MysqlConnection {
        self.try_connect("").expect("the server takes a connection from root")
    }

    /// Runs statements as root, on a connection of their own.
    ///
    /// # Panics
    ///
    /// If one fails.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.execute_in("", sql);
    }

    /// [`execute`](Self::execute) in a database.
    ///
    /// # Panics
    ///
    /// If one fails.
    #[track_caller]
    pub fn execute_in(&self, database: &str, sql: &str) {
        let outcome = self
            .try_connect(database)
            .map_err(|error| error.to_string())
            .and_then(|mut root| root.batch_execute(sql).map_err(|error| error.to_string()));
        if let Err(error) = outcome {
            panic!("as root on MariaDB: {sql}: {error}");
        }
    }

    /// A number of `SHOW GLOBAL STATUS`, e.g. `"Prepared_stmt_count"`. The question itself is a connection with one
    /// prepared statement while it is asked.
    ///
    /// # Panics
    ///
    /// If there is no such number.
    #[track_caller]
    pub fn status(&self, variable: &str) -> u64 {
        let value: String = diesel::select(sql::<Text>(&format!(
            "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{variable}')"
        )))
        .get_result(&mut self.connect())
        .unwrap_or_else(|error| panic!("MariaDB's status {variable}: {error}"));
        value
            .parse()
            .unwrap_or_else(|_| panic!("MariaDB's status {variable} is no number but {value:?}"))
    }

    /// The numbers of the connections that use a database, oldest first.
    ///
    /// # Panics
    ///
    /// If the server cannot say.
    #[track_caller]
    pub fn connections(&self, database: &str) -> Vec<u64> {
        let rows: Vec<Process> = diesel::sql_query(
            "SELECT CAST(id AS UNSIGNED) AS id, COALESCE(state, '') AS state \
             FROM information_schema.processlist WHERE db = ? ORDER BY id",
        )
        .bind::<Text, _>(database)
        .load(&mut self.connect())
        .expect("root may read the process list");
        rows.into_iter().map(|row| row.id).collect()
    }

    /// `KILL CONNECTION`, and waits until the connection is gone.
    ///
    /// # Panics
    ///
    /// If there is no such connection, or it stays.
    #[track_caller]
    pub fn kill(&self, connection_id: u64) {
        self.execute(&format!("KILL CONNECTION {connection_id}"));
        poll::until(&format!("connection {connection_id} is gone"), BLOCKED_DEADLINE, || {
            self.process(connection_id).is_none().then_some(())
        });
    }

    /// Waits until a connection waits for a lock: of a row, a table or its metadata, or one of `GET_LOCK`. A test that reads
    /// `information_schema.innodb_trx` by itself can hold this up.
    ///
    /// # Panics
    ///
    /// If it does not within half a minute.
    #[track_caller]
    pub fn wait_until_blocked(&self, connection_id: u64) {
        poll::until(
            &format!("connection {connection_id} waits for a lock"),
            BLOCKED_DEADLINE,
            || (self.waits_for_a_row(connection_id) || self.waits_for_a_table(connection_id)).then_some(()),
        );
    }

    /// Shuts the server down in good order, which tells its clients so, and starts it again on the same port and data.
    ///
    /// # Panics
    ///
    /// If it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        self.watchdog.stop("TERM");
        self.start();
    }

    /// `kill -9`: the server is gone without a word, and its port refuses until [`start`](Self::start).
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
            panic!("MariaDB does not start again:\n{log}");
        }
    }

    /// SIGSTOP: connections stay open, and nobody answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.watchdog.freeze();
    }

    /// Ends a [`freeze`](Self::freeze).
    #[track_caller]
    pub fn thaw(&self) {
        self.watchdog.thaw();
    }

    /// Another server with this one's users, which it must get from this one: the next node of a cluster.
    pub(crate) fn joined_by(&self, options: &[&str]) -> Self {
        Self::begin(None, options, Some(&self.password))
    }

    fn start_new(certified: Option<&str>, options: &[&str]) -> Self {
        Self::begin(certified, options, None)
    }

    fn begin(certified: Option<&str>, options: &[&str], joined_with: Option<&str>) -> Self {
        let install = find("mariadb-install-db");
        find("mariadbd"); // before the slow part
        let watchdog = Watchdog::new("mariadb", "mysql");
        let folder = watchdog.folder().display();
        let data = format!("--datadir={folder}/data");
        // A server that starts deletes the temporary tables that it finds; in a shared folder those of its neighbours.
        let temporary = format!("--tmpdir={folder}");
        watchdog.run(&[
            &install,
            "--no-defaults",
            &data,
            &temporary,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-log-error",
        ]);
        let password = joined_with.map_or_else(ports::random_word, str::to_owned);
        if joined_with.is_none() {
            watchdog.write("init.sql", &users(&password));
        }

        if let Some(host) = certified {
            certificates::write(&watchdog, host);
        }

        let mut server = Self {
            watchdog,
            port: 0,
            password,
            databases: AtomicU32::new(0),
            options: options.iter().map(ToString::to_string).collect(),
            last_look: Mutex::new(None),
        };
        for _ in 0..3 {
            server.port = ports::free();
            match server.start_on(server.port) {
                Ok(()) => return server,
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("MariaDB does not start:\n{log}"),
            }
        }
        panic!("MariaDB found its port taken three times:\n{}", server.log());
    }

    #[track_caller]
    fn start_on(&self, port: u16) -> Result<(), String> {
        let folder = self.watchdog.folder().display();
        let mut words = vec![
            find("mariadbd"),
            "--no-defaults".to_owned(),
            format!("--datadir={folder}/data"),
            format!("--tmpdir={folder}"),
            format!("--socket={folder}/s"),
            format!("--pid-file={folder}/pid"),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--max-connections=500".to_owned(),
            // What a power cut could lose is nothing to a test; a kill -9 loses nothing.
            "--innodb-flush-log-at-trx-commit=2".to_owned(),
            "--innodb-use-native-aio=0".to_owned(),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--performance-schema=OFF".to_owned(),
        ];
        if self.folder().join("init.sql").exists() {
            words.push(format!("--init-file={folder}/init.sql"));
        }
        if self.authority().exists() {
            for (option, file) in [("ca", "ca.pem"), ("cert", "server.pem"), ("key", "server.key")] {
                words.push(format!("--ssl-{option}={folder}/{file}"));
            }
        }
        words.extend(self.options.iter().cloned());
        self.watchdog.start(&words, || {
            self.try_connect("").map(drop).map_err(|error| error.to_string())
        })
    }

    pub(crate) fn try_connect(&self, database: &str) -> ConnectionResult<MysqlConnection> {
        MysqlConnection::establish(&format!(
            "mysql://root:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        ))
    }

    fn process(&self, connection_id: u64) -> Option<Process> {
        diesel::sql_query(
            "SELECT CAST(id AS UNSIGNED) AS id, COALESCE(state, '') AS state \
             FROM information_schema.processlist WHERE id = ?",
        )
        .bind::<Unsigned<BigInt>, _>(connection_id)
        .get_result(&mut self.connect())
        .optional()
        .expect("root may read the process list")
    }

    fn waits_for_a_table(&self, connection_id: u64) -> bool {
        let state = self
            .process(connection_id)
            .map(|process| process.state)
            .unwrap_or_default();
        state == "User lock" || state.starts_with("Waiting for") && state.ends_with("lock")
    }

    /// `innodb_trx` is a copy that is only renewed when nobody has read it for 0.1 s, so two tests that poll it as they
    /// like would show each other the past for ever. (`SHOW ENGINE INNODB STATUS` cannot be read through Diesel.)
    fn waits_for_a_row(&self, connection_id: u64) -> bool {
        let mut last_look = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last_look) = *last_look {
            thread::sleep(INNODB_TRX_AGE.saturating_sub(last_look.elapsed()));
        }
        let waiting = diesel::select(sql::<Bool>(&format!(
            "EXISTS (SELECT 1 FROM information_schema.innodb_trx \
             WHERE trx_mysql_thread_id = {connection_id} AND trx_state = 'LOCK WAIT')"
        )))
        .get_result(&mut self.connect());
        *last_look = Some(Instant::now());
        drop(last_look);
        waiting.expect("root may read InnoDB's transactions")
    }
}

#[derive(QueryableByName)]
struct Process {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    state: String,
}

fn find(program: &str) -> String {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/bin"].map(PathBuf::from);
    let path = program::find(program, PACKAGE, &folders);
    path.to_str()
        .expect("the paths of Debian's programs are UTF-8")
        .to_owned()
}

/// Run at every start before the first connection is taken, so whoever gets in with the password knows that the server
/// is ready, and that it is this one. Loopback may resolve to either host. A line is a statement: that is how
/// the server reads such a file.
fn users(password: &str) -> Vec<String> {
    let accounts = ["root", USER]
        .into_iter()
        .flat_map(|user| ["127.0.0.1", "localhost"].map(|host| format!("'{user}'@'{host}'")));
    accounts
        .flat_map(|account| {
            let identified = format!("{account} IDENTIFIED BY '{password}'");
            [
                format!("CREATE USER IF NOT EXISTS {identified};"),
                format!("ALTER USER {identified};"), // root is there already, without a password
                format!("GRANT ALL ON *.* TO {account} WITH GRANT OPTION;"),
            ]
        })
        .collect()
}
