//! Which cores the client and its server run on.
//!
//! A round trip over loopback takes five times longer where both sides have a core of their own, since each has to be woken,
//! than where they share one. The scheduler decides anew with each run, and a benchmark that left it alone would measure
//! that. With a core each they are most like two machines.

use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use super::comment;

/// The cores that there are, by their numbers.
#[derive(Debug)]
pub struct Cores {
    last: usize,
}

impl Cores {
    /// To be asked before anything is moved: a program that is kept to one core sees no other.
    pub fn all() -> Self {
        let last = available_parallelism().map_or(0, |cores| cores.get() - 1);
        Self { last }
    }

    /// Starts a server that stays on the last core, and moves this program to the first.
    pub fn apart<T>(&self, start: impl FnOnce() -> T) -> T {
        let moved = move_to(self.last);
        let server = start();
        if self.last == 0 || !moved || !move_to(0) {
            comment("client and server run where the scheduler puts them, so figures of servers may differ widely");
        }
        server
    }

    /// Does something on the servers' core.
    pub fn together(&self, work: impl FnOnce()) {
        let moved = move_to(self.last);
        work();
        if moved {
            move_to(0);
        }
    }
}

/// Every thread of this program runs there from now on, and so does what it starts. False if that could not be had.
fn move_to(core: usize) -> bool {
    Command::new("taskset")
        .args([
            "--all-tasks",
            "--cpu-list",
            "--pid",
            &core.to_string(),
            &std::process::id().to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
