//! A script of faults that an engine runs into.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};

use crate::classify::Phase;

/// A queue of faults that an engine's sessions run into.
///
/// Each step waits for its phase; steps of one phase come up in the order in which they were queued. Give it to
/// [`EngineBuilder::faults`](crate::EngineBuilder::faults).
///
/// | Phase | What asks the script |
/// |---|---|
/// | `Connect` | each new connection of the engine |
/// | `Ping` | the pool's pre-ping, and the ping of a session |
/// | `Begin`, `Savepoint`, `Release`, `RollbackTo`, `Commit`, `Rollback` | the session's control statements |
/// | `Statement` | each statement of a session, whether it answers rows or a count |
/// | `Fetch` | each reading of a row |
///
/// What is sent on a raw connection (`raw_connection`, `with_raw`) does not ask it.
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
    /// The number of the row that it waits for, from 1; any row, and any other call, where there is none.
    row: Option<u64>,
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
            row: None,
            action: Action::Fail(kind, text.into()),
        });
    }

    /// The next call of this phase is sent, succeeds, and yet answers with these words: an answer that was lost.
    ///
    /// A statement that answers rows counts as sent when the first of them can be read; SQLite runs it while they are
    /// read, so lose one there with [`Phase::Fetch`].
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
            row: None,
            action: Action::Fail(kind, text.into()),
        });
    }

    /// The reading of a row fails with these words: of the first statement that gets as far as its `row`-th, counted from
    /// 1. The end counts as well, so two rows have a third reading.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::testing::FaultScript;
    /// use diesel::result::DatabaseErrorKind;
    ///
    /// let script = FaultScript::new();
    /// script.fail_at_row(2, DatabaseErrorKind::Unknown, "disk I/O error");
    /// assert!(script.before_row(1).is_ok());
    /// assert!(script.before_row(2).is_err());
    /// # }
    /// ```
    pub fn fail_at_row(&self, row: u64, kind: DatabaseErrorKind, text: impl Into<String>) {
        self.push(Step {
            phase: Phase::Fetch,
            when: When::Before,
            row: Some(row),
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
            row: None,
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

    fn take(&self, phase: Phase, when: When, row: Option<u64>) -> Option<Action> {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = steps
            .iter()
            .position(|step| step.phase == phase && step.when == when && (step.row.is_none() || step.row == row))?;
        steps.remove(index).map(|step| step.action)
    }

    /// What a driver call of this phase runs into before it is sent.
    ///
    /// # Errors
    ///
    /// The fault that the script has for it.
    pub fn before(&self, phase: Phase) -> Result<(), DieselError> {
        self.run_before(phase, None)
    }

    /// What the reading of a statement's `row`-th row runs into, counted from 1.
    ///
    /// # Errors
    ///
    /// The fault that the script has for it.
    pub fn before_row(&self, row: u64) -> Result<(), DieselError> {
        self.run_before(Phase::Fetch, Some(row))
    }

    fn run_before(&self, phase: Phase, row: Option<u64>) -> Result<(), DieselError> {
        while let Some(action) = self.take(phase, When::Before, row) {
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
        match self.take(phase, When::After, None) {
            Some(Action::Fail(kind, text)) => Err(DieselError::DatabaseError(kind, Box::new(text))),
            Some(Action::Call(call)) => {
                call();
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A fault as a driver words it that has no connection yet: by its text alone, unless it has a kind.
pub(crate) fn at_connect(fault: DieselError) -> ConnectionError {
    match fault {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            ConnectionError::BadConnection(information.message().to_owned())
        }
        other => ConnectionError::CouldntSetupConfiguration(other),
    }
}

impl fmt::Debug for FaultScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultScript({} steps)", self.remaining())
    }
}
