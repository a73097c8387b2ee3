//! The course of one call: what is done after each failure.

use std::time::{Duration, Instant};

use super::{Backoff, Bucket, CommitPolicy, RetryEnd, RetryReport, Terms};
use crate::classify::Class;

/// What a runner knows of an attempt that has failed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// What the session saw, whatever the closure has made of it.
    pub class: Class,
    /// The first cause, in the driver's words.
    pub cause: &'a str,
    /// COMMIT was sent, its answer never came.
    pub commit_unknown: bool,
    /// No transaction had begun: nothing was tried that could count as an attempt.
    pub not_begun: bool,
    /// Its time was over: the server has cut a statement short, or the pool had no connection until then.
    pub timed_out: bool,
}

/// What comes next.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A pause, and another attempt.
    Pause(Duration),
    /// Nobody serves: the next attempt is made when somebody has got through, or by whoever's turn it is to try.
    WaitForHost,
    /// Nothing.
    End(RetryEnd),
}

/// How far a call has come. Made when its first attempt has failed, so that a call that succeeds pays nothing for it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Course {
    terms: Terms,
    started: Instant,
    /// None where it lies beyond what a clock can tell.
    until: Option<Instant>,
    /// Pauses that were made because of conflicts and lost connections.
    pauses: u32,
    report: RetryReport,
}

/// Servers count in milliseconds, and the error has to travel: what comes this much before the deadline has come with it.
const ON_TIME: Duration = Duration::from_millis(5);

impl Failed<'_> {
    /// There was nobody to begin a transaction with.
    fn waits_for_host(&self) -> bool {
        self.not_begun && self.class != Class::Retry
    }
}

impl Course {
    pub fn new(terms: Terms, started: Instant) -> Self {
        Self {
            terms,
            started,
            until: started.checked_add(terms.deadline),
            pauses: 0,
            report: RetryReport::begun(),
        }
    }

    /// What is done after a failure. A token is taken where the answer is a pause.
    pub fn after(&mut self, failed: Failed<'_>, now: Instant, tokens: &Bucket) -> Next {
        self.report.failed(failed.class, failed.cause);
        let step = self.decide(failed, now, tokens);
        match step {
            Next::Pause(_) => self.report.next_attempt(),
            Next::WaitForHost => {}
            Next::End(end) => self.end(end, now),
        }
        step
    }

    fn decide(&mut self, failed: Failed<'_>, now: Instant, tokens: &Bucket) -> Next {
        let Terms {
            attempts,
            deadline,
            commit,
            on,
            backoff,
            ..
        } = self.terms;
        let again = if failed.commit_unknown {
            commit == CommitPolicy::Idempotent
        } else {
            on.has(failed.class)
        };
        let over = |pause| self.until.is_some_and(|until| now + pause >= until);
        let by_deadline = failed.timed_out && self.terms.deadline_was_said && over(ON_TIME);
        if !again {
            return Next::End(match failed.class {
                _ if by_deadline => RetryEnd::Deadline(deadline),
                _ if failed.commit_unknown => RetryEnd::NotRerun,
                Class::Permanent => RetryEnd::NotRerun,
                _ => RetryEnd::LeftOut,
            });
        }
        if failed.waits_for_host() {
            // Waiting for a host uses up no attempt and no token, only time.
            return if over(Duration::ZERO) {
                Next::End(RetryEnd::Deadline(deadline))
            } else {
                Next::WaitForHost
            };
        }
        if self.report.attempts() >= attempts {
            return Next::End(RetryEnd::Attempts);
        }
        let pause = match backoff {
            Some(own) => own.pause(self.pauses),
            None => Backoff::built_in(failed.class, self.pauses),
        };
        if over(pause) {
            return Next::End(RetryEnd::Deadline(deadline));
        }
        if !tokens.spend() {
            return Next::End(RetryEnd::Budget);
        }
        self.pauses += 1;
        Next::Pause(pause)
    }

    /// Until when anybody waits.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The number of the attempt that is under way or about to start.
    pub fn attempt(&self) -> u32 {
        self.report.attempts()
    }

    /// It has paused for so long.
    pub fn paused(&mut self, pause: Duration) {
        self.report.slept_for(pause);
    }

    /// It has waited for its host for so long.
    pub fn waited(&mut self, wait: Duration) {
        self.report.waited_for(wait);
    }

    /// It was told to stop before the attempt that it was about to make.
    pub fn cancelled(&mut self, now: Instant) {
        self.end(RetryEnd::Cancelled, now);
    }

    /// It waited for its host, and its time is over.
    pub fn waited_in_vain(&mut self, now: Instant) {
        self.end(RetryEnd::Deadline(self.terms.deadline), now);
    }

    /// The last attempt was committed.
    pub fn succeeded(&mut self, now: Instant) {
        self.end(RetryEnd::Succeeded, now);
    }

    fn end(&mut self, end: RetryEnd, now: Instant) {
        self.report.ended(end, now.saturating_duration_since(self.started));
    }

    /// What there is to tell.
    pub fn report(&self) -> &RetryReport {
        &self.report
    }

    pub fn into_report(self) -> RetryReport {
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{RetryBudget, RetryPolicy};

    const CONFLICT: Failed<'static> = Failed {
        class: Class::Retry,
        cause: "deadlock detected",
        commit_unknown: false,
        not_begun: false,
        timed_out: false,
    };
    const DOWN: Failed<'static> = Failed {
        class: Class::Failover,
        cause: "Connection refused",
        not_begun: true,
        ..CONFLICT
    };
    const CUT_SHORT: Failed<'static> = Failed {
        class: Class::Permanent,
        cause: "canceling statement due to statement timeout",
        timed_out: true,
        ..CONFLICT
    };

    fn course(policy: RetryPolicy) -> (Course, Instant, Bucket) {
        let now = Instant::now();
        (
            Course::new(policy.terms(), now),
            now,
            Bucket::new(RetryBudget::tokens(10)),
        )
    }

    #[test]
    fn attempts_are_counted_and_the_first_conflict_runs_again_at_once() {
        let (mut course, now, tokens) = course(RetryPolicy::new().attempts(3));
        assert_eq!(course.after(CONFLICT, now, &tokens), Next::Pause(Duration::ZERO));
        assert!(matches!(course.after(CONFLICT, now, &tokens), Next::Pause(_)));
        assert_eq!(course.after(CONFLICT, now, &tokens), Next::End(RetryEnd::Attempts));
        assert_eq!((course.attempt(), course.report().failures().len()), (3, 1));
        assert_eq!(course.report().failures()[0].times(), 3);
    }

    #[test]
    fn waiting_for_a_host_costs_time_alone() {
        let (mut course, now, tokens) = course(RetryPolicy::new().attempts(2).deadline(Duration::from_secs(5)));
        for _ in 0..1_000 {
            assert_eq!(course.after(DOWN, now, &tokens), Next::WaitForHost);
        }
        assert_eq!(course.attempt(), 1);
        for _ in 0..10 {
            assert!(tokens.spend(), "no token was taken");
        }
        let end = RetryEnd::Deadline(Duration::from_secs(5));
        assert_eq!(
            course.after(DOWN, now + Duration::from_secs(5), &tokens),
            Next::End(end)
        );
        assert!(course.report().is_news());
    }

    #[test]
    fn a_lock_that_begin_immediate_ran_into_is_a_conflict() {
        let (mut course, now, tokens) = course(RetryPolicy::new());
        let locked = Failed {
            not_begun: true,
            ..CONFLICT
        };
        assert_eq!(course.after(locked, now, &tokens), Next::Pause(Duration::ZERO));
        assert_eq!(course.attempt(), 2);
    }

    #[test]
    fn without_a_token_nothing_runs_again_and_what_does_not_run_again_takes_none() {
        let (mut course, now, _) = course(RetryPolicy::new());
        let tokens = Bucket::new(RetryBudget::tokens(1));
        let permanent = Failed {
            class: Class::Permanent,
            ..CONFLICT
        };
        assert_eq!(course.after(permanent, now, &tokens), Next::End(RetryEnd::NotRerun));
        assert!(!course.report().is_news());
        let late = now + Duration::from_secs(30);
        assert!(matches!(
            course.after(CONFLICT, late, &tokens),
            Next::End(RetryEnd::Deadline(_))
        ));
        assert_eq!(course.after(CONFLICT, now, &tokens), Next::Pause(Duration::ZERO));
        assert_eq!(course.after(CONFLICT, now, &tokens), Next::End(RetryEnd::Budget));
    }

    #[test]
    fn a_policy_may_leave_classes_out_and_says_alone_what_becomes_of_an_unknown_commit() {
        let (mut course, now, tokens) = course(RetryPolicy::new().on(&[Class::Retry]));
        assert_eq!(course.after(DOWN, now, &tokens), Next::End(RetryEnd::LeftOut));
        let unknown = Failed {
            commit_unknown: true,
            ..CONFLICT
        };
        assert_eq!(course.after(unknown, now, &tokens), Next::End(RetryEnd::NotRerun));
        let idempotent = RetryPolicy::new().on(&[]).commit(CommitPolicy::Idempotent);
        let mut course = Course::new(idempotent.terms(), now);
        assert_eq!(course.after(unknown, now, &tokens), Next::Pause(Duration::ZERO));
    }

    #[test]
    fn a_statement_that_was_cut_short_at_the_deadline_says_so_and_an_earlier_one_does_not() {
        let (mut course, now, tokens) = course(RetryPolicy::new().deadline(Duration::from_secs(1)));
        let early = course.after(CUT_SHORT, now + Duration::from_millis(500), &tokens);
        assert_eq!(early, Next::End(RetryEnd::NotRerun), "somebody has a smaller limit");
        let end = RetryEnd::Deadline(Duration::from_secs(1));
        let on_time = course.after(CUT_SHORT, now + Duration::from_millis(999), &tokens);
        assert_eq!(on_time, Next::End(end));
        // Nobody has told the server of a deadline that nobody has said.
        let mut course = Course::new(RetryPolicy::new().terms(), now);
        let late = course.after(CUT_SHORT, now + Duration::from_secs(31), &tokens);
        assert_eq!(late, Next::End(RetryEnd::NotRerun));
    }

    #[test]
    fn an_own_backoff_replaces_every_other() {
        let (mut course, now, tokens) = course(RetryPolicy::new().backoff(Backoff::NONE));
        let lost = Failed {
            class: Class::Disconnect,
            ..CONFLICT
        };
        for _ in 0..4 {
            assert_eq!(course.after(lost, now, &tokens), Next::Pause(Duration::ZERO));
        }
    }
}
