//! Child processes that never outlive the test.
//!
//! Statics are not dropped, a panic in a test does not end the process, and SIGKILL runs no code at all. So a server
//! does not belong to the test process but to a small shell script, `watchdog.sh`, whose standard input is a pipe that
//! the test process holds. Once that pipe closes, whatever closed it, the script kills the server with `-9` and removes
//! its folder. It has a process group of its own, so that Ctrl-C in a terminal reaches the test and not the script.
//!
//! A child that is forked without exec inherits the pipe and keeps the server alive as long as it lives itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it answers: 1 s on an idle machine, far more when two builds share its cores.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// How long a server may take to shut down in good order before it is killed.
const STOP_SECONDS: &str = "30";

/// A private folder, and at most one server in it. Dropping it kills the server and removes the folder, and so does the
/// end of this process.
#[derive(Debug)]
pub struct Watchdog {
    name: String,
    folder: PathBuf,
    script: Mutex<Script>,
}

/// The running `watchdog.sh`. One command and its answer at a time, which the lock around it sees to.
#[derive(Debug)]
struct Script {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Watchdog {
    /// Makes the folder. If this is root, everything in it runs as `user`, who must exist.
    ///
    /// # Panics
    ///
    /// If there is no shell, no temporary folder or no such user.
    pub fn new(name: &str, user: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", include_str!("watchdog.sh"), "aludel-watchdog", name, user])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("`sh` can be started");
        let commands = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut folder = String::new();
        answers
            .read_line(&mut folder)
            .expect("the watchdog's first line is text");
        assert!(
            !folder.is_empty(),
            "the watchdog of {name} found no temporary folder, or no user {user:?} to run it as"
        );
        Self {
            name: name.to_owned(),
            folder: PathBuf::from(folder.trim_end()),
            script: Mutex::new(Script {
                process,
                commands,
                answers,
            }),
        }
    }

    /// The folder, absolute. Programs run with it as their working directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the programs have printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Runs a program to its end.
    ///
    /// # Panics
    ///
    /// If it fails; the message ends with its output.
    #[track_caller]
    pub fn run<W: AsRef<str>>(&self, words: &[W]) {
        if let Err(why) = self.ask("run", words) {
            self.fail(&format!("{}: {why}", words[0].as_ref()));
        }
    }

    /// Writes a file into the folder, readable for the programs that run there and for nobody else.
    ///
    /// # Panics
    ///
    /// If that fails, or one of `lines` is more than one line.
    #[track_caller]
    pub fn write<L: AsRef<str>>(&self, file: &str, lines: &[L]) {
        let script = r#"file=$1; shift; printf '%s\n' "$@" > "$file""#;
        let words = ["sh", "-c", script, "write", file].into_iter();
        self.run(&words.chain(lines.iter().map(AsRef::as_ref)).collect::<Vec<_>>());
    }

    /// Starts the server and waits until `ready` says so.
    ///
    /// # Errors
    ///
    /// If it ends by itself, as it does when its port is taken; the text is its output.
    ///
    /// # Panics
    ///
    /// If one is running already, or it is not ready for long.
    #[track_caller]
    pub fn start<W: AsRef<str>>(&self, words: &[W], ready: impl Fn() -> Result<(), String>) -> Result<(), String> {
        if let Err(why) = self.ask("start", words) {
            self.fail(&why);
        }
        let started = Instant::now();
        loop {
            // Asked before the look: where the port was taken it is someone else who answers.
            let alive = self.is_alive();
            match ready() {
                _ if !alive => return Err(self.log()),
                Ok(()) => return Ok(()),
                Err(why) if started.elapsed() > START_DEADLINE => {
                    self.fail(&format!("not ready in {START_DEADLINE:?}: {why}"))
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Whether the server's process is there (it may be frozen).
    pub fn is_alive(&self) -> bool {
        self.ask::<&str>("alive", &[]).is_ok()
    }

    /// Kills the server with SIGKILL, its children included, and waits until they are gone. Without a server it does
    /// nothing.
    #[track_caller]
    pub fn kill(&self) {
        self.must("kill", &[]);
    }

    /// Sends the server a signal, e.g. `"TERM"`, and waits until it has ended. Without a server it does nothing.
    ///
    /// # Panics
    ///
    /// If it has to be killed because it does not end within half a minute.
    #[track_caller]
    pub fn stop(&self, signal: &str) {
        self.must("stop", &[signal, STOP_SECONDS]);
    }

    /// Freezes the server and its children (SIGSTOP): the kernel still accepts connections and data, and nobody answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.must("signal", &["STOP"]);
    }

    /// Ends a [`freeze`](Self::freeze).
    #[track_caller]
    pub fn thaw(&self) {
        self.must("signal", &["CONT"]);
    }

    #[track_caller]
    fn must(&self, command: &str, words: &[&str]) {
        if let Err(why) = self.ask(command, words) {
            self.fail(&why);
        }
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        panic!("{}: {why}\n{}", self.name, self.log());
    }

    fn ask<W: AsRef<str>>(&self, command: &str, words: &[W]) -> Result<(), String> {
        let mut line = String::from(command);
        for word in words {
            line.push(' ');
            line.push_str(&quoted(word.as_ref()));
        }
        self.script.lock().unwrap_or_else(PoisonError::into_inner).ask(&line)
    }
}

impl Script {
    fn ask(&mut self, line: &str) -> Result<(), String> {
        let commands = self.commands.as_mut().expect("the pipe is only taken by drop");
        writeln!(commands, "{line}").map_err(|error| format!("the watchdog is gone: {error}"))?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .map_err(|error| format!("the watchdog does not answer: {error}"))?;
        match answer.trim_end().split_once(' ').unwrap_or((answer.trim_end(), "")) {
            ("ok", _) => Ok(()),
            ("error", why) => Err(why.to_owned()),
            _ => Err("the watchdog is gone".to_owned()),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.commands.take());
        // Its status says nothing that anyone could act on; waiting is what makes the folder gone when this returns.
        let _ = self.process.wait();
    }
}

/// One word of a shell's command line. A line is a command, so a word cannot contain its end.
fn quoted(word: &str) -> String {
    assert!(!word.contains('\n'), "a word for the watchdog has one line: {word:?}");
    format!("'{}'", word.replace('\'', r"'\''"))
}
