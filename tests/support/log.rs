//! A log of events, compared as a whole.
//!
//! ```
//! use aludel_tests::EventLog;
//!
//! let log = EventLog::new();
//! let listener = { let log = log.clone(); move |event: &str| log.push(event) };
//! listener("begin");
//! listener("commit");
//! log.expect(&["begin", "commit"]);
//! log.expect(&[]); // what was compared is gone: each `expect` is about what happened since the last one
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What happened, in order. Clones are the same log, and any thread may write to it.
#[derive(Clone, Default)]
pub struct EventLog(Arc<Mutex<Vec<String>>>);

impl EventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event at the end.
    pub fn push(&self, event: impl Into<String>) {
        self.with(|events| events.push(event.into()));
    }

    /// All events so far; the log stays as it is.
    pub fn snapshot(&self) -> Vec<String> {
        self.with(|events| events.clone())
    }

    /// All events so far; the log is empty afterwards.
    pub fn take(&self) -> Vec<String> {
        self.with(std::mem::take)
    }

    /// Takes the events and compares them.
    ///
    /// # Panics
    ///
    /// If they differ; the message shows both, an event a line.
    #[track_caller]
    pub fn expect(&self, expected: &[&str]) {
        let actual = self.take();
        assert!(
            actual == expected,
            "the log differs\n--- expected\n{}\n--- actual\n{}",
            numbered(expected.iter().copied()),
            numbered(actual.iter().map(String::as_str)),
        );
    }

    fn with<R>(&self, f: impl FnOnce(&mut Vec<String>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.snapshot()).finish()
    }
}

fn numbered<'e>(events: impl Iterator<Item = &'e str>) -> String {
    let lines: Vec<String> = events
        .enumerate()
        .map(|(at, event)| format!("{:3}  {event}", at + 1))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "  2  rollback")]
    fn a_difference_shows_both_sides() {
        let log = EventLog::new();
        log.push("begin");
        log.push("rollback");
        log.expect(&["begin", "commit"]);
    }
}
