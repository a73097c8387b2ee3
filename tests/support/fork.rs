//! Stories in which a process forks.
//!
//! A test binary has many threads, of which a forked child has one; so a story is told in a process of its own: this
//! binary again, with that one test, which makes no more threads than it says. What it forks ends with it, and it ends with
//! the test, however badly things go.
//!
//! ```no_run
//! use aludel_tests::fork;
//!
//! fn a_child_can_count() {
//!     fork::stage(a_child_can_count, || "7".to_owned(), |number| {
//!         let mut seven: u32 = number.parse().unwrap();
//!         fork::child(|| seven += 1).expect_success();
//!         assert_eq!(seven, 7); // what a child writes is its own
//!     });
//! }
//! ```

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

use ::fork::{Fork, fork, waitpid};

use crate::poll;

/// The name of the test whose story is told, and what its test process has handed over.
const STORY: &str = "ALUDEL_FORK_STORY";
const ARGUMENT: &str = "ALUDEL_FORK_ARGUMENT";

/// How long a story may take. A child that waits for a lock whose owner it does not have would wait for ever.
const DEADLINE: Duration = Duration::from_secs(90);

/// Tells `story` in a process of its own, where it may fork. `test` is the test that calls this; `argument` is made in the
/// test's process, which keeps servers and folders alive meanwhile.
///
/// # Panics
///
/// If the story fails, or hangs; the message has its output.
#[track_caller]
pub fn stage<T: Fn()>(_test: T, argument: impl FnOnce() -> String, story: impl FnOnce(&str)) {
    let name = std::any::type_name::<T>();
    let (_, test) = name.split_once("::").expect("a test is in a crate");
    if std::env::var(STORY).is_ok_and(|told| told == test) {
        story(&std::env::var(ARGUMENT).expect("it comes with its argument"));
        return;
    }
    let mut output = tempfile::tempfile().expect("a temporary file can be made");
    let shared = |file: &File| Stdio::from(file.try_clone().expect("a file can be shared"));
    let mut process = Command::new(std::env::current_exe().expect("a test binary knows itself"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(STORY, test)
        .env(ARGUMENT, argument())
        .stdin(Stdio::null())
        .stdout(shared(&output))
        .stderr(shared(&output))
        .process_group(0) // with whatever it forks
        .spawn()
        .expect("this binary can be started again");
    let group = format!("-{}", process.id());
    let ended = catch_unwind(AssertUnwindSafe(|| {
        poll::until("the story has ended", DEADLINE, || {
            process.try_wait().expect("it is our child")
        })
    }));
    let text = |output: &mut File| {
        let mut text = String::new();
        output.rewind().expect("a file can be read again");
        output.read_to_string(&mut text).expect("it is text");
        text
    };
    if ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
        let text = text(&mut output);
        assert!(text.contains("1 passed"), "the story was not told:\n{text}");
        return;
    }
    // Its children as well: they are of its group, which has ended by itself where nobody is left.
    let _ = Command::new("sh")
        .args(["-c", "kill -s KILL -- $0 2>/dev/null", &group])
        .status();
    let _ = process.wait();
    let how = ended.map_or_else(|_| "hangs".to_owned(), |status| format!("fails, {status}"));
    panic!("the story {test} {how}:\n{}", text(&mut output));
}

/// A forked child of this process.
#[derive(Debug)]
#[must_use = "nobody else waits for it"]
pub struct Child(i32);

/// Forks. The child runs `story` and ends; it never comes back from here.
///
/// # Panics
///
/// If the system has no room for it.
pub fn child(story: impl FnOnce()) -> Child {
    match fork().expect("the system has room for a process") {
        Fork::Parent(id) => Child(id),
        Fork::Child => {
            let told = catch_unwind(AssertUnwindSafe(story));
            // No drops on the way: what the stack below owns belongs to the parent.
            exit(if told.is_ok() { 0 } else { 101 });
        }
    }
}

impl Child {
    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it has failed; what it said is in the story's output.
    #[track_caller]
    pub fn expect_success(self) {
        let status = waitpid(self.0).expect("it is our child");
        assert_eq!(status, 0, "the child {} has failed", self.0);
    }
}
