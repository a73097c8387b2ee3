//! SQLAlchemy's side: a Python program that lives as long as the benchmark, and is told what to do a line at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::OBJECTS;

/// Where `tests/bench` has put the Python whose packages `requirements.txt` names.
const PYTHON: &str = "ALUDEL_BENCH_PYTHON";

pub(crate) struct SqlAlchemy {
    program: Child,
    told: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The versions of what it is made of.
    pub(crate) versions: String,
}

impl SqlAlchemy {
    /// Starts it, on a database with an empty table. The URL goes where no list of processes shows it.
    pub(crate) fn start(url: &str) -> Self {
        let python = std::env::var(PYTHON).unwrap_or_else(|_| {
            panic!("{PYTHON} names the Python that has SQLAlchemy: tests/bench models makes one and sets it")
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/models/unit_of_work.py");
        let mut program = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is there");
        let told = program.stdin.take();
        let answers = program.stdout.take().map(BufReader::new);
        let mut sqlalchemy = Self {
            program,
            told,
            answers: answers.expect("it was asked for"),
            versions: String::new(),
        };
        sqlalchemy.versions = sqlalchemy.tell(url);
        sqlalchemy
    }

    /// Microseconds an object.
    #[expect(clippy::cast_precision_loss, reason = "a round has far fewer than 2^52 nanoseconds")]
    pub(crate) fn turn(&mut self, what: &str, round: u32) -> f64 {
        let answer = self.tell(&format!("{what} {round} {OBJECTS}"));
        let nanoseconds: u64 = answer.parse().expect("it answers nanoseconds");
        nanoseconds as f64 / 1e3 / OBJECTS as f64
    }

    /// Whether the rows that it wrote last are as they should be.
    pub(crate) fn check(&mut self, round: u32) {
        assert_eq!(self.tell(&format!("check {round} {OBJECTS}")), "as it should be");
    }

    fn tell(&mut self, line: &str) -> String {
        let told = self.told.as_mut().expect("it is closed only at the end");
        writeln!(told, "{line}").expect("it listens; if not, it has said why above");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers with text");
        assert!(!answer.is_empty(), "SQLAlchemy's side has ended; it has said why above");
        answer.trim_end().to_owned()
    }
}

impl Drop for SqlAlchemy {
    fn drop(&mut self) {
        // It ends with its input.
        self.told = None;
        let _ = self.program.wait();
    }
}
