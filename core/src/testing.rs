//! Test support for users and for ourselves: a script of faults, and the clock that tests turn.
//!
//! The clock is [`TestClock`](crate::clock::TestClock); an event log is any listener that pushes into a list.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::classify::Phase;

/// A queue of faults that an engine's sessions run into.
///
/// Each step waits for its phase; steps of one phase come up in the order in which they were queued. Give it to
/// [`EngineBuilder::faults`](crate::EngineBuilder::faults).
///
/// The phases that come up are those of calls that a session makes: `Begin`, `Statement`, `Savepoint`, `Release`,
/// `RollbackTo`, `Commit`, `Rollback`, and `Ping` where the session itself is pinged. Connecting, the pool's pings and the
/// reading of rows do not ask the script, and [`fail_after`](Self::fail_after) of a `Statement` acts on those that answer
/// a count, not on those that answer rows.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::testing::FaultScript;
/// use aludel_core::{Engine, Phase};
/// use diesel::SqliteConnection;
/// use diesel::result::DatabaseErrorKind;
///
/// let script = FaultScript::new();
/// script.fail_before(Phase::Commit, DatabaseErrorKind::Unknown, "database is locked");
/// let engine = Engine::<SqliteConnection>::builder("sqlite://").faults(script.clone()).build()?;
/// // The first COMMIT on a session of this engine answers "database is locked" without being sent.
/// assert_eq!(script.remaining(), 1);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct FaultScript(Arc<Mutex<VecDeque<Step>>>);

struct Step {
    phase: Phase,
    when: When,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

enum Action {
    Fail(DatabaseErrorKind, String),
    Call(Box<dyn FnOnce() + Send>),
}

impl FaultScript {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call of this phase fails with these words and is not sent.
    ///
    /// ```
    /// use aludel_core::Phase;
    /// use aludel_core::testing::FaultScript;
    /// use diesel::result::DatabaseErrorKind;
    ///
    /// let script = FaultScript::new();
    /// script.fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "Server has gone away");
    /// assert!(script.before(Phase::Commit).is_ok()); // not its phase
    /// assert!(script.before(Phase::Statement).is_err());
    /// assert!(script.before(Phase::Statement).is_ok()); // it comes up once
    /// ```
    pub fn fail_before(&self, phase: Phase, kind: DatabaseErrorKind, text: impl Into<String>) {
        self.push(Step {
            phase,
            when: When::Before,
            action: Action::Fail(kind, text.into()),
        });
    }

    /// The next call of this phase is sent, succeeds, and yet answers with these words: an answer that was lost.
    ///
    /// ```
    /// use aludel_core::Phase;
    /// use aludel_core::testing::FaultScript;
    /// use diesel::result::DatabaseErrorKind;
    ///
    /// let script = FaultScript::new();
    /// script.fail_after(Phase::Commit, DatabaseErrorKind::Unknown, "Lost connection to server during query");
    /// assert!(script.before(Phase::Commit).is_ok()); // it is sent
    /// assert!(script.after(Phase::Commit).is_err()); // and its answer is lost
    /// ```
    pub fn fail_after(&self, phase: Phase, kind: DatabaseErrorKind, text: impl Into<String>) {
        self.push(Step {
            phase,
            when: When::After,
            action: Action::Fail(kind, text.into()),
        });
    }

    /// Runs `action` right before the next call of this phase is sent: to kill its connection, to let another thread
    /// pass a gate.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use aludel_core::Phase;
    /// use aludel_core::testing::FaultScript;
    ///
    /// let (passed, gate) = mpsc::channel();
    /// let script = FaultScript::new();
    /// script.call_before(Phase::Commit, move || passed.send(()).unwrap());
    /// assert!(script.before(Phase::Commit).is_ok());
    /// assert!(gate.try_recv().is_ok());
    /// ```
    pub fn call_before(&self, phase: Phase, action: impl FnOnce() + Send + 'static) {
        self.push(Step {
            phase,
            when: When::Before,
            action: Action::Call(Box::new(action)),
        });
    }

    /// Steps that have not come up yet.
    pub fn remaining(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn push(&self, step: Step) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(step);
    }

    fn take(&self, phase: Phase, when: When) -> Option<Action> {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = steps.iter().position(|step| step.phase == phase && step.when == when)?;
        steps.remove(index).map(|step| step.action)
    }

    /// What a driver call of this phase runs into before it is sent.
    ///
    /// # Errors
    ///
    /// The fault that the script has for it.
    pub fn before(&self, phase: Phase) -> Result<(), DieselError> {
        while let Some(action) = self.take(phase, When::Before) {
            match action {
                Action::Call(call) => call(),
                Action::Fail(kind, text) => return Err(DieselError::DatabaseError(kind, Box::new(text))),
            }
        }
        Ok(())
    }

    /// What a driver call of this phase runs into after it has succeeded.
    ///
    /// # Errors
    ///
    /// The fault that the script has for it.
    pub fn after(&self, phase: Phase) -> Result<(), DieselError> {
        match self.take(phase, When::After) {
            Some(Action::Fail(kind, text)) => Err(DieselError::DatabaseError(kind, Box::new(text))),
            Some(Action::Call(call)) => {
                call();
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FaultScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultScript({} steps)", self.remaining())
    }
}
