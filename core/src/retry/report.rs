//! What a retry has tried.

use std::fmt;
use std::time::Duration;

use crate::classify::Class;

/// What became of a call that may run its transaction more than once: on its error
/// ([`Error::retry_report`](crate::Error::retry_report)), in the log, and in
/// [`Event::RetryEnded`](crate::Event::RetryEnded). As text it is one short line.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, Event};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .listen(|event| {
///         if let Event::RetryEnded { function, report } = event {
///             println!("{function}: {report}");
///             for failed in report.failures() {
///                 println!("  attempt {}: {} ({})", failed.attempt(), failed.cause(), failed.class());
///             }
///         }
///     })
///     .build()?;
/// # drop(engine);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryReport {
    attempts: u32,
    failures: Vec<FailedAttempt>,
    left_out: u64,
    slept: Duration,
    waited: Duration,
    elapsed: Duration,
    end: RetryEnd,
}

/// Why nothing ran after the last attempt.
///
/// ```
/// use aludel_core::retry::RetryEnd;
///
/// assert_eq!(RetryEnd::Budget.to_string(), "the engine's budget of reruns is used up");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryEnd {
    /// The last attempt was committed; a reader's has answered.
    Succeeded,
    /// What failed last does not run again: it is permanent, or nobody knows whether it was committed.
    #[default]
    NotRerun,
    /// What failed last could run again, and the policy leaves its class out; see [`RetryPolicy::on`](crate::RetryPolicy::on).
    LeftOut,
    /// As many attempts have failed as the policy allows.
    Attempts,
    /// The policy's time is over, or would be before the next attempt begins; this is how long it was.
    Deadline(Duration),
    /// The engine has no token left for a rerun; see [`RetryBudget`](crate::RetryBudget).
    Budget,
    /// The session's token was cancelled while it paused.
    Cancelled,
    /// A reader's statement has lost its connection after its first row was handed out.
    HandedOut,
}

/// One failure of a [`RetryReport`], or several of the same words in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    attempt: u32,
    class: Class,
    cause: String,
    times: u64,
}

/// How many failures are kept, of those that differ from the one before. More would make a report of an endless outage a
/// leak, fewer would cut the story of an ordinary one.
const KEPT: usize = 32;

impl RetryReport {
    /// How often the transaction was tried; a transaction that could not begin, because its host was down, is not counted, save
    /// that a call always has one attempt.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What failed, oldest first. Of those in a row with the same words there is one; of an endless list the beginning.
    pub fn failures(&self) -> &[FailedAttempt] {
        &self.failures
    }

    /// How many failures there are no details of.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How long the call slept between attempts, waiting for a host included.
    pub fn slept(&self) -> Duration {
        self.slept + self.waited
    }

    /// How long it waited for a host that was down.
    pub fn waited_for_host(&self) -> Duration {
        self.waited
    }

    /// From the call to its end. Where no deadline was said it is right to about 50 ms, since reading the clock at the
    /// beginning of a call that will not fail would cost every call its price.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Why nothing ran after the last attempt.
    pub fn end(&self) -> RetryEnd {
        self.end
    }

    /// Whether the last attempt was committed.
    pub fn succeeded(&self) -> bool {
        self.end == RetryEnd::Succeeded
    }

    /// A call is making its first attempt. For the layers above.
    #[doc(hidden)]
    pub fn begun() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    /// An attempt has failed.
    #[doc(hidden)]
    pub fn failed(&mut self, class: Class, cause: &str) {
        if let Some(last) = self.failures.last_mut()
            && last.class == class
            && last.cause == cause
        {
            last.times += 1;
        } else if self.failures.len() < KEPT {
            self.failures.push(FailedAttempt {
                attempt: self.attempts,
                class,
                cause: cause.to_owned(),
                times: 1,
            });
        } else {
            self.left_out += 1;
        }
    }

    /// Another attempt is made.
    #[doc(hidden)]
    pub fn next_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// It slept in between.
    #[doc(hidden)]
    pub fn slept_for(&mut self, pause: Duration) {
        self.slept += pause;
    }

    /// It waited for its host.
    #[doc(hidden)]
    pub fn waited_for(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// Nothing more is tried.
    #[doc(hidden)]
    pub fn ended(&mut self, end: RetryEnd, elapsed: Duration) {
        (self.end, self.elapsed) = (end, elapsed);
    }

    /// Whether it says more than that one attempt was made and its error is no reason for another.
    #[doc(hidden)]
    pub fn is_news(&self) -> bool {
        self.end != RetryEnd::NotRerun || self.attempts > 1 || !self.waited.is_zero()
    }
}

impl FailedAttempt {
    /// Which attempt it was, counted from 1; of several in a row the first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the classifier said.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The first cause, in the driver's words where there was one.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// How often it came in a row.
    pub fn times(&self) -> u64 {
        self.times
    }
}

impl fmt::Display for RetryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 { "time" } else { "times" };
        write!(f, "tried {} {times} in {:.1?}", self.attempts, self.elapsed)?;
        match (self.slept, self.waited) {
            (Duration::ZERO, Duration::ZERO) => {}
            (slept, Duration::ZERO) => write!(f, " ({slept:.1?} of it asleep)")?,
            (_, waited) => write!(
                f,
                " ({:.1?} of it asleep, {waited:.1?} for the server to come back)",
                self.slept()
            )?,
        }
        match self.end {
            RetryEnd::Succeeded => Ok(()),
            RetryEnd::Attempts => f.write_str(", and given up"),
            end => write!(f, ", and given up: {end}"),
        }
    }
}

impl fmt::Display for RetryEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("it has succeeded"),
            Self::NotRerun => f.write_str("this is not run again"),
            Self::LeftOut => f.write_str("its policy does not run errors of this class again"),
            Self::Attempts => f.write_str("its attempts are used up"),
            Self::Deadline(deadline) => write!(f, "its deadline of {deadline:?} has come"),
            Self::Budget => f.write_str("the engine's budget of reruns is used up"),
            Self::Cancelled => f.write_str("it was told to stop"),
            Self::HandedOut => f.write_str("rows of it were handed out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_that_says_how_often_how_long_and_why_no_more() {
        let mut report = RetryReport::begun();
        report.failed(Class::Retry, "Deadlock found");
        report.slept_for(Duration::from_millis(30));
        report.next_attempt();
        report.ended(RetryEnd::Succeeded, Duration::from_millis(45));
        assert_eq!(report.to_string(), "tried 2 times in 45.0ms (30.0ms of it asleep)");
        report.ended(RetryEnd::Deadline(Duration::from_secs(10)), Duration::from_secs(10));
        report.waited_for(Duration::from_secs(9));
        assert_eq!(
            report.to_string(),
            "tried 2 times in 10.0s (9.0s of it asleep, 9.0s for the server to come back), and given up: its deadline of \
             10s has come"
        );
        let mut once = RetryReport::begun();
        once.ended(RetryEnd::Attempts, Duration::from_secs(1));
        assert_eq!(once.to_string(), "tried 1 time in 1.0s, and given up");
    }

    #[test]
    fn the_same_words_in_a_row_are_counted_and_an_endless_list_is_cut() {
        let mut report = RetryReport::begun();
        for _ in 0..1_000 {
            report.failed(Class::Failover, "Connection refused");
        }
        report.failed(Class::Busy, "Connection refused");
        let [first, second] = report.failures() else {
            panic!("{report:?}")
        };
        assert_eq!((first.times(), first.attempt(), second.times()), (1_000, 1, 1));
        for number in 0..100 {
            report.failed(Class::Retry, &number.to_string());
        }
        assert_eq!((report.failures().len(), report.left_out()), (KEPT, 102 - KEPT as u64));
        assert_eq!(report.failures()[2].cause(), "0");
    }
}
