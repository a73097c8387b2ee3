//! What the tests stand on, as far as it needs no server: above all that nothing outlives a test.

use aludel_tests::watchdog::Watchdog;
use aludel_tests::{poll, sqlite};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const HELPER: &str = "ALUDEL_TEST_HELPER";
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_sqlite_file_lives_as_long_as_its_handle() {
    let database = sqlite::file();
    let folder = database.folder().to_owned();
    let mut connection = SqliteConnection::establish(database.url()).expect("Diesel takes the URL");
    connection
        .batch_execute("CREATE TABLE t (id INTEGER)")
        .expect("the file can be written");
    assert!(database.path().is_file());
    drop(database);
    assert!(!folder.exists());
}

#[test]
fn dropping_a_watchdog_takes_server_and_folder_away() {
    let watchdog = Watchdog::new("fake", "");
    let folder = watchdog.folder().to_owned();
    start_fake_server(&watchdog);
    drop(watchdog);
    assert!(!folder.exists());
}

#[test]
fn a_server_that_ends_by_itself_shows_what_it_said() {
    let watchdog = Watchdog::new("fake", "");
    let outcome = watchdog.start(
        &["sh", "-c", "echo 'it'\\''s full'; exit 3"],
        || Err("never".to_owned()),
    );
    assert_eq!(outcome, Err("it's full\n".to_owned()));
}

#[test]
fn a_killed_process_takes_its_server_along() {
    let mut helper = Helper::start("wait");
    helper.process.kill().expect("it is our child");
    helper.expect_gone();
}

#[test]
fn a_process_that_is_interrupted_from_the_terminal_takes_its_server_along() {
    let helper = Helper::start("wait");
    // To the whole group, as a terminal does on Ctrl-C.
    let group = format!("-{}", helper.process.id());
    let sent = Command::new("sh")
        .args(["-c", "kill -s INT -- $0", &group])
        .status()
        .expect("`sh` can be started");
    assert!(sent.success());
    helper.expect_gone();
}

#[test]
fn a_process_that_exits_takes_its_server_along() {
    let helper = Helper::start("exit");
    helper.expect_gone();
}

#[test]
fn a_process_that_fails_takes_its_server_along() {
    let helper = Helper::start("panic");
    helper.expect_gone();
}

/// Not a test but the process that the tests above start: this binary again, told by a variable how to end.
#[test]
fn helper_process() {
    let Ok(ending) = std::env::var(HELPER) else { return };
    // Never dropped: it is what a server in a static is.
    let watchdog: &'static Watchdog = Box::leak(Box::new(Watchdog::new("fake", "")));
    start_fake_server(watchdog);
    let ids = fs::read_to_string(watchdog.folder().join("ids")).expect("the server has written it");
    eprintln!("server {} {}", ids.trim_end(), watchdog.folder().display());
    match ending.as_str() {
        "exit" => std::process::exit(0),
        "panic" => panic!("as a test does"),
        _ => loop {
            std::thread::park();
        },
    }
}

/// A server that only death stops: it ignores what can be ignored, and has a child.
fn start_fake_server(watchdog: &Watchdog) {
    let script = "trap '' HUP INT TERM; sleep 1000 & echo $$ $! > ids.new; mv ids.new ids; while :; do wait; done";
    let started = watchdog.folder().join("ids");
    watchdog
        .start(&["sh", "-c", script], || {
            started.exists().then_some(()).ok_or_else(String::new)
        })
        .expect("`sh` runs");
}

/// The process and its server. It does not outlive its test either, which a watchdog cannot see to here.
struct Helper {
    process: Child,
    folder: PathBuf,
    server: Vec<String>,
}

impl Helper {
    fn start(ending: &str) -> Self {
        let this = std::env::current_exe().expect("a test binary knows itself");
        // Whoever runs the tests in the background may have them ignore Ctrl-C, and a child inherits that.
        let mut process = Command::new("env")
            .arg("--default-signal=INT")
            .arg(this)
            .args(["--exact", "support::helper_process", "--nocapture"])
            .env(HELPER, ending)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("this binary can be started again");
        let lines = BufReader::new(process.stderr.take().expect("standard error is piped")).lines();
        let mut helper = Self {
            process,
            folder: PathBuf::new(),
            server: Vec::new(),
        };
        let report = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("server ").map(str::to_owned))
            .expect("the helper says what it started");
        let mut words = report.split(' ').map(str::to_owned);
        helper.server = words.by_ref().take(2).collect();
        helper.folder = words.next().expect("the folder is the third word").into();
        helper
    }

    /// Waits for its end, and for its server's.
    fn expect_gone(mut self) {
        self.process.wait().expect("it is our child");
        // The watchdog removes the folder last, after it has waited for the server and the server's child.
        poll::until(&format!("{} is removed", self.folder.display()), SOON, || {
            (!self.folder.exists()).then_some(())
        });
        assert!(
            !self.server.iter().any(|id| is_alive(id)),
            "of {:?} one is still there",
            self.server
        );
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended already, which is what most of the tests are about.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A zombie is dead; whether anyone reaps it is the machine's affair.
fn is_alive(id: &str) -> bool {
    fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}
