//! When a transaction runs again: what can be said of it, by whom, and what an engine has for all its reruns together.
//!
//! The one runner is in the layer above; what it decides by is here.

use std::time::Duration;

use crate::classify::Class;
use crate::dialect::{AccessMode, Characteristics, Deferrable, IsolationLevel};

mod backoff;
mod budget;
mod classes;
mod course;
mod host;
mod report;

pub use backoff::Backoff;
pub use budget::{Bucket, RetryBudget};
pub use classes::Classes;
pub use course::{Course, Failed, Next};
pub use host::{Probe, Waited};
pub use report::{FailedAttempt, RetryEnd, RetryReport};

use host::Host;

/// When a transaction runs again, how often, and for how long.
///
/// Each part is optional: what a policy does not say is said by the engine's
/// ([`EngineBuilder::retry_policy`](crate::EngineBuilder::retry_policy)), and else built in.
///
/// | Part | Built in |
/// |---|---|
/// | [`attempts`](Self::attempts) | 5 |
/// | [`deadline`](Self::deadline) | 30 s, which no statement is told of |
/// | [`commit`](Self::commit) | [`CommitPolicy::Fail`] |
/// | [`on`](Self::on) | every class but `Permanent` |
/// | [`backoff`](Self::backoff) | conflicts: at once, then 10 ms to 2 s; lost connections: 100 ms to 10 s |
/// | [`isolation_level`](Self::isolation_level), [`read_only`](Self::read_only), [`deferrable`](Self::deferrable) | as any other transaction |
///
/// `#[retry]` writes it from its arguments; by hand it is for `Session::retry`.
///
/// ```
/// use std::time::Duration;
///
/// use aludel_core::{Backoff, Class, RetryPolicy};
///
/// const PATIENT: RetryPolicy = RetryPolicy::new()
///     .attempts(10)
///     .deadline(Duration::from_secs(60))
///     .on(&[Class::Retry, Class::Disconnect])
///     .backoff(Backoff::exponential(Duration::from_millis(5), Duration::from_secs(1)));
/// assert_eq!(PATIENT.max_attempts(), Some(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    attempts: Option<u32>,
    deadline: Option<Duration>,
    commit: Option<CommitPolicy>,
    on: Option<Classes>,
    backoff: Option<Backoff>,
    characteristics: Characteristics,
}

/// What is done when COMMIT was sent and its answer never came.
///
/// ```
/// use aludel_core::{CommitPolicy, RetryPolicy};
///
/// // Setting a value to what it is already does no harm.
/// const HARMLESS: RetryPolicy = RetryPolicy::new().commit(CommitPolicy::Idempotent);
/// # let _ = HARMLESS;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitPolicy {
    /// The error goes to the caller; nothing runs again. The default, and the only safe one in general.
    Fail,
    /// The transaction is verified: what became of it is found out within what is left of the deadline. If it is committed,
    /// its value is the answer; if it is not, it runs again. It takes effect exactly once. Where nobody can tell in time, the
    /// error goes to the caller with its [`commit_token`](crate::Error::commit_token).
    Verify,
    /// The transaction runs again: its author promises that applying it twice is the same as applying it once.
    Idempotent,
}

/// What holds where neither a policy nor an engine says otherwise. More attempts help only where many write the same rows;
/// fewer would fail after ordinary conflicts. A caller who waits for more than half a minute has mostly left.
const ATTEMPTS: u32 = 5;
const DEADLINE: Duration = Duration::from_secs(30);

/// What the handles of an engine share of their retries. For the layers above.
#[doc(hidden)]
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    tokens: Bucket,
    host: Host,
}

impl Retries {
    pub(crate) fn new(policy: RetryPolicy, budget: RetryBudget) -> Self {
        Self {
            policy,
            tokens: Bucket::new(budget),
            host: Host::default(),
        }
    }

    /// What holds where a policy does not say otherwise.
    #[inline]
    pub fn policy(&self) -> RetryPolicy {
        self.policy
    }

    /// The budget of reruns.
    #[inline]
    pub fn tokens(&self) -> &Bucket {
        &self.tokens
    }
}

/// A policy of which everything is said.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// At least 1.
    pub attempts: u32,
    pub deadline: Duration,
    /// Somebody has said the deadline, so that the server is told of it as well.
    pub deadline_was_said: bool,
    pub commit: CommitPolicy,
    pub on: Classes,
    /// That of the class where nobody said one.
    pub backoff: Option<Backoff>,
    pub characteristics: Characteristics,
}

impl RetryPolicy {
    /// Says nothing: the engine's policy holds, or what is built in.
    pub const fn new() -> Self {
        Self {
            attempts: None,
            deadline: None,
            commit: None,
            on: None,
            backoff: None,
            characteristics: Characteristics {
                isolation_level: None,
                access_mode: None,
                deferrable: None,
            },
        }
    }

    /// How often the transaction may be tried in all, the first time included; 0 counts as 1. Waiting for a host that is
    /// down uses up no attempt.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// How long it may be tried, counted from the call. It wins over the attempts: no attempt starts after it, and nobody
    /// waits beyond it, neither for a connection nor for a host that is down.
    ///
    /// One that is said, here or in the engine's policy, is the server's business as well: what is left of it when an
    /// attempt begins is the limit of each of its statements.
    ///
    /// | | What is set | What it costs |
    /// |---|---|---|
    /// | PostgreSQL | `SET LOCAL statement_timeout`, in the text of BEGIN | nothing; once an engine a question |
    /// | MariaDB | `max_statement_time`, put back afterwards | two round trips a transaction |
    /// | MySQL | `max_execution_time`, which bounds SELECTs only, put back afterwards | the same |
    /// | SQLite | `PRAGMA busy_timeout`, put back afterwards; only where less is left than it is | nothing on the wire |
    ///
    /// A smaller limit that the connection has from its URL, its role or a hook is kept: the engine asks for it once. (What is
    /// set on one connection afterwards is not known; set it inside the transaction, where it counts from then on.) A statement
    /// that was cut short by the deadline is not run again, and its error says so. Since each statement may take as long as was
    /// left at BEGIN, a transaction of many long ones may still end after it; and PostgreSQL lets COMMIT take the time that it
    /// needs.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::RetryPolicy;
    ///
    /// const BRIEF: RetryPolicy = RetryPolicy::new().deadline(Duration::from_millis(200));
    /// # let _ = BRIEF;
    /// ```
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// What is done when COMMIT was sent and its answer never came.
    pub const fn commit(mut self, commit: CommitPolicy) -> Self {
        self.commit = Some(commit);
        self
    }

    /// Which classes of errors run again. `Permanent` never does, whatever is said here; and about a COMMIT whose answer
    /// never came [`commit`](Self::commit) decides alone.
    ///
    /// ```
    /// use aludel_core::{Class, RetryPolicy};
    ///
    /// // Conflicts only: a lost connection, or a host that is down, is an error at once.
    /// const CONFLICTS: RetryPolicy = RetryPolicy::new().on(&[Class::Retry]);
    /// # let _ = CONFLICTS;
    /// ```
    pub const fn on(mut self, classes: &[Class]) -> Self {
        self.on = Some(Classes::of(classes));
        self
    }

    /// The pauses between attempts, of whatever class the error was.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// The isolation level of the transaction that is begun. One that is open already must have it to be joined, or the call
    /// is refused.
    ///
    /// ```
    /// use aludel_core::{IsolationLevel, RetryPolicy};
    ///
    /// const BOOKING: RetryPolicy = RetryPolicy::new().isolation_level(IsolationLevel::Serializable);
    /// # let _ = BOOKING;
    /// ```
    pub const fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.characteristics.isolation_level = Some(level);
        self
    }

    /// The transaction may not write.
    pub const fn read_only(mut self) -> Self {
        self.characteristics.access_mode = Some(AccessMode::ReadOnly);
        self
    }

    /// If it is serializable and read-only, it may wait until it can run without ever being aborted; PostgreSQL only.
    pub const fn deferrable(mut self) -> Self {
        self.characteristics.deferrable = Some(Deferrable::Deferrable);
        self
    }

    /// This policy, and what `outer` says of the rest.
    ///
    /// ```
    /// use aludel_core::RetryPolicy;
    ///
    /// const HOUSE: RetryPolicy = RetryPolicy::new().attempts(3).read_only();
    /// const REPORT: RetryPolicy = RetryPolicy::new().attempts(8).over(HOUSE);
    /// assert_eq!(REPORT, RetryPolicy::new().attempts(8).read_only());
    /// ```
    pub const fn over(self, outer: Self) -> Self {
        Self {
            attempts: if self.attempts.is_some() {
                self.attempts
            } else {
                outer.attempts
            },
            deadline: if self.deadline.is_some() {
                self.deadline
            } else {
                outer.deadline
            },
            commit: if self.commit.is_some() {
                self.commit
            } else {
                outer.commit
            },
            on: if self.on.is_some() { self.on } else { outer.on },
            backoff: if self.backoff.is_some() {
                self.backoff
            } else {
                outer.backoff
            },
            characteristics: self.characteristics.over(outer.characteristics),
        }
    }

    /// The attempts, if it says how many.
    pub const fn max_attempts(&self) -> Option<u32> {
        self.attempts
    }

    /// What it asks of the transaction itself. For the layers above.
    #[doc(hidden)]
    #[inline]
    pub const fn characteristics(&self) -> Characteristics {
        self.characteristics
    }

    /// The deadline, if it says one. For the layers above.
    #[doc(hidden)]
    #[inline]
    pub const fn said_deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// What it says of a COMMIT that is not answered. For the layers above.
    #[doc(hidden)]
    #[inline]
    pub const fn said_commit(&self) -> Option<CommitPolicy> {
        self.commit
    }

    /// With what is built in where it says nothing. For the layers above.
    #[doc(hidden)]
    pub const fn terms(self) -> Terms {
        Terms {
            attempts: match self.attempts {
                None => ATTEMPTS,
                Some(0) => 1,
                Some(attempts) => attempts,
            },
            deadline: match self.deadline {
                None => DEADLINE,
                Some(deadline) => deadline,
            },
            deadline_was_said: self.deadline.is_some(),
            commit: match self.commit {
                None => CommitPolicy::Fail,
                Some(commit) => commit,
            },
            on: match self.on {
                None => Classes::ALL,
                Some(on) => on,
            },
            backoff: self.backoff,
            characteristics: self.characteristics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_does_not_say_the_outer_one_says_and_else_what_is_built_in() {
        const OWN: RetryPolicy = RetryPolicy::new().attempts(0).on(&[Class::Busy]).read_only();
        const HOUSE: RetryPolicy = RetryPolicy::new()
            .attempts(9)
            .deadline(Duration::from_secs(1))
            .on(&[])
            .isolation_level(IsolationLevel::Serializable);
        const BOTH: Terms = OWN.over(HOUSE).terms();
        assert_eq!((BOTH.attempts, BOTH.deadline), (1, Duration::from_secs(1)));
        assert!(BOTH.deadline_was_said && BOTH.on.has(Class::Busy) && !BOTH.on.has(Class::Retry));
        assert_eq!(BOTH.characteristics.isolation_level, Some(IsolationLevel::Serializable));
        assert_eq!(BOTH.characteristics.access_mode, Some(AccessMode::ReadOnly));
        let built_in = RetryPolicy::new().over(RetryPolicy::default()).terms();
        assert_eq!((built_in.attempts, built_in.deadline), (5, Duration::from_secs(30)));
        assert_eq!((built_in.commit, built_in.on), (CommitPolicy::Fail, Classes::ALL));
        assert!(!built_in.deadline_was_said && built_in.backoff.is_none() && built_in.characteristics.is_empty());
    }
}
