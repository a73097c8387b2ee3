//! How transactions run again.

use super::EngineBuilder;
use crate::dialect::Dialect;
use crate::retry::{RetryBudget, RetryPolicy};

impl<C: Dialect> EngineBuilder<C> {
    /// What holds for every `#[retry]` and `Session::retry` whose own policy does not say otherwise. Said twice, the later
    /// one wins where both say something. Default: nothing is said, and what [`RetryPolicy`] has built in holds.
    ///
    /// A deadline in it is told to the server with every retry, as one in a policy of its own; see
    /// [`RetryPolicy::deadline`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel_core::{Engine, RetryPolicy};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .retry_policy(RetryPolicy::new().attempts(8))
    ///     .retry_policy(RetryPolicy::new().deadline(Duration::from_secs(5)))
    ///     .build()?;
    /// assert_eq!(engine.retry_policy(), RetryPolicy::new().attempts(8).deadline(Duration::from_secs(5)));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy.over(self.retry_policy);
        self
    }

    /// How many reruns all transactions of this engine have together, so that a storm of them dies down. Default: 100 tokens.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }
}
