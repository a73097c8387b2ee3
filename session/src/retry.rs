//! Running a whole transaction again: the one runner behind `#[retry]`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aludel_core::clock::{Clock, Mark};
use aludel_core::retry::{Course, Failed, Next, Probe, Retries, Terms, Waited};
use aludel_core::{CancelToken, Class, CommitPolicy, Error, Event, Exit, Flavour, Outcome, RetryPolicy};

use crate::connection::DoneBy;
use crate::transaction::scope::Stand;
use crate::transaction::stage::{self, Answer, Asked, Entry, Failure, Stage};
use crate::verification::Wish;

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
/// committed, fails for good, or has used up its attempts, its time, or the engine's budget.
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
    // Of the two only what is needed before anything fails is looked at before anything has failed.
    let (own, engines) = (policy.retry_policy(), stage.retry_policy());
    let characteristics = own.characteristics().over(engines.characteristics());
    if !characteristics.is_empty() {
        asked.own = asked.own.over(characteristics);
        asked.check(stage.flavour())?;
    }
    let stand = stage.stand(asked)?;
    if stand != Stand::Outermost {
        return stage::within(stage, Entry::of(stand, asked), body).map_err(Failure::into_error);
    }
    let clock = stage.clock();
    let started = match own.said_deadline().or(engines.said_deadline()) {
        Some(deadline) => {
            let now = clock.now();
            asked.done_by = now.checked_add(deadline).map(|at| DoneBy { at, left: deadline });
            Started::At(now)
        }
        None => Started::About(clock.mark()),
    };
    if own.said_commit().or(engines.said_commit()) == Some(CommitPolicy::Verify) {
        asked.wish = verified(own.over(engines).terms(), started.on(&clock));
    }
    stage.forget_faults();
    match stage::within(stage, Entry::Root(asked), &mut body) {
        Ok(value) => {
            stage.has_succeeded();
            Ok(value)
        }
        Err(failure) => again(
            stage,
            &clock,
            Course::new(own.over(engines).terms(), started.on(&clock)),
            asked,
            function,
            failure,
            &mut body,
        ),
    }
}

/// When a call began. Where nobody has said how long it may take, half a minute need not be right to the millisecond, and
/// hardly any call asks.
#[derive(Clone, Copy)]
enum Started {
    At(Instant),
    About(Mark),
}

impl Started {
    fn on(self, clock: &Clock) -> Instant {
        match self {
            Self::At(moment) => moment,
            Self::About(mark) => clock.marked(mark),
        }
    }
}

#[cold]
fn verified(terms: Terms, started: Instant) -> Wish {
    let until = started.checked_add(terms.deadline);
    Wish {
        verified: Some(true),
        until: until.or_else(|| started.checked_add(A_DAY)),
        ..Wish::default()
    }
}

/// How long a COMMIT is resolved under a deadline that no clock can tell.
const A_DAY: Duration = Duration::from_hours(24);

/// What comes after the first failure.
#[cold]
fn again<S, T, E>(
    stage: &mut S,
    clock: &Clock,
    mut course: Course,
    mut asked: Asked,
    function: &str,
    mut failure: Failure<E>,
    body: &mut impl FnMut(&mut S) -> Result<T, E>,
) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    let retries = stage.retries();
    let mut probe = None;
    // Whether an attempt before the last one may have been committed.
    let mut doubt = false;
    loop {
        let before = clock.now();
        let token = stage.token();
        if let Err(stopped) = rest(&mut course, failure.seen(), &retries, &mut probe, clock, &token) {
            // Who must find out about a COMMIT is told of that; nothing else outweighs being stopped.
            if let Some(exit) = stopped
                && !failure.commit_unknown
            {
                failure.answer = Answer::Ours(exit.into());
            }
            return Err(give_up(stage, course, function, failure, doubt));
        }
        doubt |= failure.commit_unknown;
        stage.emit(&Event::Rerun {
            function,
            attempt: course.attempt(),
            class: failure.class,
            delay: clock.now() - before,
            cause: &failure.cause,
        });
        if let Some(done_by) = &mut asked.done_by {
            done_by.left = done_by.at.saturating_duration_since(clock.now());
        }
        // A transaction that has read can never upgrade its lock by waiting: the next one takes it first.
        asked.immediate = stage.flavour() == Flavour::Sqlite && failure.class == Class::Retry;
        stage.forget_faults();
        let ended = stage::within(stage, Entry::Root(asked), |stage| {
            // It has begun, so the host serves: nobody waits for what becomes of the rest.
            if let Some(probe) = probe.take() {
                probe.succeeded();
            }
            body(stage)
        });
        failure = match ended {
            Ok(value) => {
                stage.has_succeeded();
                course.succeeded(clock.now());
                let report = course.report();
                stage.emit(&Event::RetryEnded { function, report });
                return Ok(value);
            }
            Err(failure) => failure,
        };
    }
}

/// Whatever lies between a failure and the next attempt; an error where there is none, with the exit that was asked for in a
/// pause.
fn rest(
    course: &mut Course,
    failed: Failed<'_>,
    retries: &Arc<Retries>,
    probe: &mut Option<Probe>,
    clock: &Clock,
    token: &CancelToken,
) -> Result<(), Option<Exit>> {
    let before = clock.now();
    let stopped = match course.after(failed, before, retries.tokens()) {
        Next::End(_) => return Err(None),
        Next::Pause(pause) => {
            *probe = None;
            let slept = token.sleep(clock, pause);
            course.paused(clock.now() - before);
            slept.err()
        }
        Next::WaitForHost => {
            let waited = retries.wait_for_host(probe.take(), clock, token, course.until());
            course.waited(clock.now() - before);
            match waited {
                Waited::TryAgain(role) => {
                    *probe = role;
                    None
                }
                Waited::InVain => {
                    course.waited_in_vain(clock.now());
                    return Err(None);
                }
                Waited::Stopped(exit) => Some(exit),
            }
        }
    };
    match stopped {
        None => Ok(()),
        Some(exit) => {
            course.cancelled(clock.now());
            Err(Some(exit))
        }
    }
}

/// The error that the caller gets, with all that was tried. It is never told that nothing was written where it may have
/// been.
fn give_up<S, E>(stage: &mut S, course: Course, function: &str, failure: Failure<E>, doubt: bool) -> E
where
    S: Stage,
    E: From<Error> + 'static,
{
    let report = course.into_report();
    if report.is_news() {
        stage.emit(&Event::RetryEnded {
            function,
            report: &report,
        });
    }
    if failure.commit_unknown {
        stage.give_up_hooks();
    }
    failure.answer.into_error(|error| {
        let error = if doubt {
            error.with_outcome(Outcome::Unknown)
        } else {
            error
        };
        error.with_retry_report(report)
    })
}

impl<E> Failure<E> {
    fn seen(&self) -> Failed<'_> {
        Failed {
            class: self.class,
            cause: &self.cause,
            commit_unknown: self.commit_unknown,
            not_begun: self.not_begun,
            timed_out: self.timed_out,
        }
    }
}
