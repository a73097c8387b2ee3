//! What an engine says of its reruns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Engine;
use crate::dialect::Dialect;
use crate::retry::{Retries, RetryBudget, RetryPolicy};

/// Nobody has asked how long statements may take.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// As long as they want.
const NO_LIMIT: u64 = u64::MAX - 1;

impl<C: Dialect> Engine<C> {
    /// What holds for every retry that does not say otherwise; see
    /// [`EngineBuilder::retry_policy`](crate::EngineBuilder::retry_policy).
    pub fn retry_policy(&self) -> RetryPolicy {
        self.0.retries.policy()
    }

    /// How many reruns all transactions have together; see
    /// [`EngineBuilder::retry_budget`](crate::EngineBuilder::retry_budget).
    pub fn retry_budget(&self) -> RetryBudget {
        self.0.retries.tokens().budget()
    }

    /// How long each statement may take on its connections anyway, if somebody has asked; `Duration::MAX` for no limit. For the
    /// layers above.
    #[doc(hidden)]
    pub fn known_statement_limit(&self) -> Option<Duration> {
        match self.0.statement_limit.load(Ordering::Relaxed) {
            UNKNOWN => None,
            NO_LIMIT => Some(Duration::MAX),
            milliseconds => Some(Duration::from_millis(milliseconds)),
        }
    }

    /// Remembers that. For the layers above.
    #[doc(hidden)]
    pub fn remember_statement_limit(&self, limit: Option<Duration>) {
        let milliseconds = limit.and_then(|limit| u64::try_from(limit.as_millis()).ok());
        let known = milliseconds.unwrap_or(NO_LIMIT);
        self.0.statement_limit.store(known, Ordering::Relaxed);
    }

    /// What its retries share. For the layers above.
    #[doc(hidden)]
    pub fn retries(&self) -> &Arc<Retries> {
        &self.0.retries
    }
}
