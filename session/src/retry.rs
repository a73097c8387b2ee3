//! Running a whole transaction again: the one runner behind `#[retry]`.

use std::time::{Duration, Instant};

use aludel_core::retry::Terms;
use aludel_core::{Backoff, Class, CommitPolicy, Error, Event, Flavour, RetryPolicy};

use crate::transaction::scope::Stand;
use crate::transaction::stage::{self, Asked, Entry, Failure, Stage};
use crate::verification::Wish;

mod backoff;

/// A policy, or what can say one: a [`RetryPolicy`], a function that answers one, a type of your own.
///
/// `#[retry(policy = ..)]` and [`Session::retry`](crate::Session::retry) take any of them by reference.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use aludel::{IntoRetryPolicy, RetryPolicy};
/// use diesel::SqliteConnection;
///
/// /// As the settings of a program may have it, which can change while it runs.
/// struct Settings { attempts: u32 }
///
/// impl IntoRetryPolicy for Settings {
///     fn retry_policy(&self) -> RetryPolicy {
///         RetryPolicy::new().attempts(self.attempts)
///     }
/// }
///
/// fn patient() -> RetryPolicy {
///     RetryPolicy::new().attempts(20)
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// engine.session().retry(&Settings { attempts: 3 }, |_| Ok(()))?;
/// engine.session().retry(&patient, |_| Ok(()))?;
/// engine.session().retry(&RetryPolicy::new(), |_| Ok(()))?;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says no policy for a retry",
    label = "neither a `RetryPolicy` nor something that answers one",
    note = "give a `RetryPolicy`, a function or closure `fn() -> RetryPolicy`, or implement `aludel::IntoRetryPolicy` for `{Self}`"
)]
pub trait IntoRetryPolicy {
    /// The policy. It is asked once a call, before the first attempt.
    fn retry_policy(&self) -> RetryPolicy;
}

impl IntoRetryPolicy for RetryPolicy {
    fn retry_policy(&self) -> RetryPolicy {
        *self
    }
}

impl<F: Fn() -> RetryPolicy> IntoRetryPolicy for F {
    fn retry_policy(&self) -> RetryPolicy {
        self()
    }
}

/// The runner: joins inside a transaction; on a stage without one, runs the body as a whole transaction until it is
/// committed, fails for good, or has used up its attempts or its time.
#[track_caller]
pub(crate) fn retry<S, T, E>(
    stage: &mut S,
    policy: &impl IntoRetryPolicy,
    mut asked: Asked,
    function: &str,
    mut body: impl FnMut(&mut S) -> Result<T, E>,
) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    let terms = policy.retry_policy().over(stage.retry_policy()).terms();
    if !terms.characteristics.is_empty() {
        asked.own = asked.own.over(terms.characteristics);
        asked.check(stage.flavour())?;
    }
    let stand = stage.stand(asked)?;
    if stand != Stand::Outermost {
        return stage::within(stage, Entry::of(stand, asked), body).map_err(|failure| failure.error);
    }
    let clock = stage.clock();
    let started = clock.now();
    let mut course = Course {
        deadline: started.checked_add(terms.deadline),
        attempt: 1,
        pauses: 0,
        waits: 0,
    };
    if terms.commit == CommitPolicy::Verify {
        asked.wish = Wish {
            verified: Some(true),
            until: course.deadline.or_else(|| started.checked_add(A_DAY)),
            within: None,
        };
    }
    let mut unknown = false;
    let result = loop {
        stage.forget_faults();
        let failure = match stage::within(stage, Entry::Root(asked), &mut body) {
            Ok(value) => break Ok(value),
            Err(failure) => failure,
        };
        let Some(delay) = course.next(&terms, &failure, clock.now()) else {
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
    fn next<E>(&mut self, terms: &Terms, failure: &Failure<E>, now: Instant) -> Option<Duration> {
        let again = match failure.class {
            _ if failure.commit_unknown => terms.commit == CommitPolicy::Idempotent,
            class => terms.on.has(class),
        };
        if !again {
            return None;
        }
        let delay = if failure.waits_for_host() {
            // Waiting for a host uses up no attempt, only time.
            self.waits += 1;
            backoff::wait_for_host(self.waits - 1)
        } else {
            if self.attempt >= terms.attempts {
                return None;
            }
            self.pauses += 1;
            match terms.backoff {
                Some(own) => own.pause(self.pauses - 1),
                None => Backoff::built_in(failure.class, self.pauses - 1),
            }
        };
        if self.deadline.is_some_and(|deadline| now + delay >= deadline) {
            return None;
        }
        self.attempt += u32::from(!failure.waits_for_host());
        Some(delay)
    }
}
