//! What an error knows of the retry that has given up with it.

use super::Error;
use crate::retry::{RetryEnd, RetryReport};

impl Error {
    /// Says what a retry has tried before it gave this error to its caller.
    ///
    /// ```
    /// use aludel_core::Error;
    /// use aludel_core::retry::RetryReport;
    ///
    /// let error = Error::other("still locked").with_retry_report(RetryReport::default());
    /// assert!(error.retry_report().is_some());
    /// assert!(Error::other("no").retry_report().is_none()); // no retry was involved
    /// ```
    #[must_use]
    pub fn with_retry_report(mut self, report: RetryReport) -> Self {
        self.0.tried = Some(Box::new(report));
        self
    }

    /// What a retry has tried before it gave up: every attempt and its cause, how long it slept, and why it tried no more. An
    /// error that was not worth a second attempt has a report as well. `None` where no retry was involved, and where its
    /// function has joined a transaction: then that one's owner knows.
    pub fn retry_report(&self) -> Option<&RetryReport> {
        self.0.tried.as_deref()
    }

    /// How often the transaction was tried, where a retry has given up: 1 when it was not worth a second time.
    pub fn attempts(&self) -> Option<u32> {
        self.retry_report().map(RetryReport::attempts)
    }

    /// A retry has given up, with this error as its reason, because the engine had no token for another run.
    pub(super) fn is_budget_exhausted(&self) -> bool {
        let given_up = |report: &RetryReport| report.end() == RetryEnd::Budget;
        self.retry_report().is_some_and(given_up) && !self.is_commit_unknown()
    }
}
