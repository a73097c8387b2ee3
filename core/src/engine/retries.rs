//! What an engine says of its reruns.

use std::sync::Arc;

use super::Engine;
use crate::dialect::Dialect;
use crate::retry::{Retries, RetryBudget, RetryPolicy};

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

    /// What its retries share. For the layers above.
    #[doc(hidden)]
    pub fn retries(&self) -> &Arc<Retries> {
        &self.0.retries
    }
}
