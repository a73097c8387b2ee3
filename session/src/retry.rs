//! Running a whole transaction again: the policy, the pause, and the one runner behind `#[retry]`.

use std::time::{Duration, Instant};

use aludel_core::{Class, Error, Event, Flavour};

use crate::transaction::scope::Stand;
use crate::transaction::stage::{self, Asked, Entry, Failure, Stage};
use crate::verification::Wish;

mod backoff;

/// When a transaction runs again, and for how long.
///
/// `#[retry]` writes it from its arguments; it can be built by hand for [`Session::retry`](crate::Session::retry).
///
/// ```
/// use std::time::Duration;
///
/// use aludel::RetryPolicy;
///
/// const PATIENT: RetryPolicy = RetryPolicy::new().attempts(10).deadline(Duration::from_secs(60));
/// assert_eq!(PATIENT.max_attempts(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    attempts: u32,
    deadline: Duration,
    commit: CommitPolicy,
}

/// What is done when COMMIT was sent and its answer never came.
///
/// ```
/// use aludel::{CommitPolicy, RetryPolicy};
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
    /// error goes to the caller with its [`commit_token`](Error::commit_token).
    Verify,
    /// The transaction runs again: its author promises that applying it twice is the same as applying it once.
    Idempotent,
}

impl RetryPolicy {
    /// Five attempts within 30 s; an unknown COMMIT fails.
    pub const fn new() -> Self {
        Self {
            attempts: 5,
            deadline: Duration::from_secs(30),
            commit: CommitPolicy::Fail,
        }
    }

    /// How often the transaction may be tried in all, the first time included; 0 counts as 1.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long it may be tried, counted from the call; no attempt starts after it. It wins over the attempts.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel::RetryPolicy;
    ///
    /// const BRIEF: RetryPolicy = RetryPolicy::new().deadline(Duration::from_millis(200));
    /// # let _ = BRIEF;
    /// ```
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What is done when COMMIT was sent and its answer never came.
    pub const fn commit(mut self, commit: CommitPolicy) -> Self {
        self.commit = commit;
        self
    }

    /// The attempts.
    pub const fn max_attempts(&self) -> u32 {
        self.attempts
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// The runner: joins inside a transaction; on a stage without one, runs the body as a whole transaction until it is
/// committed, fails for good, or has used up its attempts or its time.
#[track_caller]
pub(crate) fn retry<S, T, E>(
    stage: &mut S,
    policy: &RetryPolicy,
    mut asked: Asked,
    function: &str,
    mut body: impl FnMut(&mut S) -> Result<T, E>,
) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    let stand = stage.stand(asked).map_err(E::from)?;
    if stand != Stand::Outermost {
        return stage::within(stage, Entry::of(stand, asked), body).map_err(|failure| failure.error);
    }
    let clock = stage.clock();
    let started = clock.now();
    let mut course = Course {
        deadline: started.checked_add(policy.deadline),
        attempt: 1,
        pauses: 0,
        waits: 0,
    };
    if policy.commit == CommitPolicy::Verify {
        asked.wish = Wish {
            verified: Some(true),
            until: course.deadline.or_else(|| started.checked_add(A_DAY)),
        };
    }
    let mut unknown = false;
    let result = loop {
        stage.forget_faults();
        let failure = match stage::within(stage, Entry::Root(asked), &mut body) {
            Ok(value) => break Ok(value),
            Err(failure) => failure,
        };
        let Some(delay) = course.next(policy, &failure, clock.now()) else {
            unknown = failure.commit_unknown;
            let (attempts, elapsed) = (course.attempt, clock.now() - started);
            break Err(stage::map_ours(failure.error, |error| {
                error.with_attempts(attempts, elapsed)
            }));
        };
        if let Err(exit) = stage.pause(&clock, delay) {
            // Who must find out about a COMMIT is told of that; nothing else outweighs being stopped.
            unknown = failure.commit_unknown;
            break Err(if unknown { failure.error } else { E::from(exit.into()) });
        }
        stage.emit(&Event::Rerun {
            function,
            attempt: course.attempt,
            class: failure.class,
            delay,
            cause: &failure.cause,
        });
        // A transaction that has read can never upgrade its lock by waiting: the next one takes it first.
        asked.immediate = stage.flavour() == Flavour::Sqlite && failure.class == Class::Retry;
    };
    if unknown {
        stage.give_up_hooks();
    }
    result
}

/// How long a COMMIT is resolved under a deadline that no clock can tell.
const A_DAY: Duration = Duration::from_hours(24);

/// How far a call has come.
struct Course {
    /// None where it lies beyond what a clock can tell.
    deadline: Option<Instant>,
    attempt: u32,
    /// Pauses that were made because of conflicts and lost connections.
    pauses: u32,
    /// Times that a host was found down.
    waits: u32,
}

impl<E> Failure<E> {
    /// There was nobody to begin a transaction with.
    fn waits_for_host(&self) -> bool {
        self.not_begun && self.class != Class::Retry
    }
}

impl Course {
    /// How long to pause before the next attempt; `None` when there is none.
    fn next<E>(&mut self, policy: &RetryPolicy, failure: &Failure<E>, now: Instant) -> Option<Duration> {
        let again = match failure.class {
            _ if failure.commit_unknown => policy.commit == CommitPolicy::Idempotent,
            Class::Permanent => false,
            _ => true,
        };
        if !again {
            return None;
        }
        let delay = if failure.waits_for_host() {
            // Waiting for a host uses up no attempt, only time.
            self.waits += 1;
            backoff::wait_for_host(self.waits - 1)
        } else {
            if self.attempt >= policy.attempts {
                return None;
            }
            self.pauses += 1;
            backoff::pause(failure.class, self.pauses - 1)
        };
        if self.deadline.is_some_and(|deadline| now + delay >= deadline) {
            return None;
        }
        self.attempt += u32::from(!failure.waits_for_host());
        Some(delay)
    }
}
