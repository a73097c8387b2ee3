//! Named stages for stories that several threads tell together, instead of `sleep`.
//!
//! ```
//! use aludel_tests::Gate;
//!
//! let locked = Gate::new("the first session holds its lock");
//! std::thread::scope(|threads| {
//!     threads.spawn(|| locked.pass());
//!     locked.wait(); // goes on once the other thread got there, and panics with the gate's name if it never does
//! });
//! ```

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a thread waits for the others. Longer only delays the report of a broken test; shorter fails a sound one on
/// a machine that is busy with a server's start.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A point in the story that is reached once, and that any number of threads can wait for. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Shared>);

/// A point in the story where a number of threads wait until all of them are there. Clones are the same meeting; it can
/// be held again and again.
#[derive(Clone, Debug)]
pub struct Meeting {
    shared: Arc<Shared>,
    size: u64,
}

/// How many have come by so far; the gate needs one, a meeting its size for each round.
#[derive(Debug)]
struct Shared {
    name: String,
    passed: Mutex<u64>,
    changed: Condvar,
}

impl Gate {
    /// A closed gate. The name is what a failing test shows, so it says what will have happened once the gate is open.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Shared::new(name))
    }

    /// Says that the story has got here. Passing a gate twice is fine.
    pub fn pass(&self) {
        self.0.arrive();
    }

    /// Whether someone has passed.
    pub fn is_passed(&self) -> bool {
        self.0.count() > 0
    }

    /// Waits until someone has passed.
    ///
    /// # Panics
    ///
    /// If nobody does within [`PATIENCE`]; the message names the gate.
    #[track_caller]
    pub fn wait(&self) {
        self.0.wait_for(1);
    }
}

impl Meeting {
    /// A meeting of `size` threads.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn new(name: impl Into<String>, size: u32) -> Self {
        assert!(size > 0, "nobody can come to a meeting of zero");
        Self {
            shared: Shared::new(name),
            size: size.into(),
        }
    }

    /// Waits until all are there.
    ///
    /// # Panics
    ///
    /// If they do not come within [`PATIENCE`]; the message names the meeting and how many came.
    #[track_caller]
    pub fn meet(&self) {
        let place = self.shared.arrive();
        let round = place.div_ceil(self.size);
        self.shared.wait_for(round * self.size);
    }
}

impl Shared {
    fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            passed: Mutex::new(0),
            changed: Condvar::new(),
        })
    }

    fn arrive(&self) -> u64 {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        *passed += 1;
        self.changed.notify_all();
        *passed
    }

    fn count(&self) -> u64 {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn wait_for(&self, needed: u64) {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let (passed, timeout) = self
            .changed
            .wait_timeout_while(passed, PATIENCE, |passed| *passed < needed)
            .unwrap_or_else(PoisonError::into_inner);
        let came = *passed;
        drop(passed); // so that the panic below does not poison what others still look at
        assert!(
            !timeout.timed_out(),
            "nobody came in {PATIENCE:?}: {came} of {needed} at \"{}\"",
            self.name
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventLog;
    use std::thread;

    #[test]
    fn a_gate_lets_everyone_through_once_it_is_passed() {
        let (gate, log) = (Gate::new("written"), EventLog::new());
        thread::scope(|threads| {
            let reader = threads.spawn(|| {
                gate.wait();
                log.push("read");
            });
            log.push("written");
            gate.pass();
            reader.join().expect("the reader only waits and logs");
        });
        gate.wait();
        log.expect(&["written", "read"]);
    }

    #[test]
    fn a_meeting_can_be_held_again() {
        let (meeting, log) = (Meeting::new("round", 3), EventLog::new());
        for round in ["first", "second"] {
            thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| {
                        meeting.meet();
                        log.push(round);
                    });
                }
            });
        }
        log.expect(&["first", "first", "first", "second", "second", "second"]);
    }
}
