//! What an engine says of its reruns, and what they share.

use super::Engine;
use crate::dialect::Dialect;
use crate::retry::{Bucket, RetryBudget, RetryPolicy};

/// What an engine's handles share.
#[derive(Debug)]
pub(super) struct Retries {
    pub(super) policy: RetryPolicy,
    pub(super) budget: Bucket,
}

impl<C: Dialect> Engine<C> {
    /// What holds for every retry that does not say otherwise; see
    /// [`EngineBuilder::retry_policy`](crate::EngineBuilder::retry_policy).
    pub fn retry_policy(&self) -> RetryPolicy {
        self.0.retries.policy
    }

    /// How many reruns all transactions have together; see
    /// [`EngineBuilder::retry_budget`](crate::EngineBuilder::retry_budget).
    pub fn retry_budget(&self) -> RetryBudget {
        self.0.retries.budget.budget()
    }

    /// The tokens. For the layers above.
    #[doc(hidden)]
    pub fn rerun_tokens(&self) -> &Bucket {
        &self.0.retries.budget
    }
}
