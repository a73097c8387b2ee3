//! How many reruns an engine allows itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many reruns all transactions of an engine have together.
///
/// After a failover every transaction fails at once, and if all of them run again the server that has just come up gets a
/// multiple of its load. So an engine has a bucket of tokens, which is full at the start: a rerun takes one, a `#[retry]`
/// that succeeds puts a tenth of one back. In ordinary times it stays full and nobody notices it; when more than one
/// in eleven attempts is a rerun it empties, and what fails then is not run again but answers
/// [`BudgetExhausted`](crate::ErrorKind::BudgetExhausted) with its first cause.
///
/// Waiting for a host that is down takes no token: only one caller of an engine tries then.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, RetryBudget};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .retry_budget(RetryBudget::tokens(20)) // a small program
///     .build()?;
/// assert_eq!(engine.retry_budget(), RetryBudget::tokens(20));
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget(Option<u32>);

impl RetryBudget {
    /// Reruns are bounded by attempts and deadlines alone.
    pub const UNLIMITED: Self = Self(None);

    /// A bucket of this size; 0 means that nothing runs again.
    pub const fn tokens(tokens: u32) -> Self {
        Self(Some(tokens))
    }
}

/// A hundred tokens. A larger bucket would feed a storm for longer, a smaller one would be emptied by the twenty or so
/// conflicts that a burst of writers makes in a healthy database.
impl Default for RetryBudget {
    fn default() -> Self {
        Self::tokens(100)
    }
}

/// The tokens that are left, in tenths. For the layers above.
#[doc(hidden)]
#[derive(Debug)]
pub struct Bucket {
    full: u64,
    left: AtomicU64,
}

/// What a rerun takes; a success puts one back.
const A_TOKEN: u64 = 10;

/// Nobody counts.
const UNLIMITED: u64 = u64::MAX;

impl Bucket {
    pub(crate) fn new(budget: RetryBudget) -> Self {
        let full = budget.0.map_or(UNLIMITED, |tokens| u64::from(tokens) * A_TOKEN);
        Self {
            full,
            left: AtomicU64::new(full),
        }
    }

    pub(crate) fn budget(&self) -> RetryBudget {
        match self.full {
            UNLIMITED => RetryBudget::UNLIMITED,
            full => RetryBudget(u32::try_from(full / A_TOKEN).ok()),
        }
    }

    /// A transaction has succeeded. While the bucket is full that is one relaxed load.
    #[inline]
    pub fn earn(&self) {
        if self.left.load(Ordering::Relaxed) < self.full {
            self.put_back();
        }
    }

    #[cold]
    fn put_back(&self) {
        let more = |left| (left < self.full).then_some(left + 1);
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// A transaction wants to run again; false where nothing is left for it.
    pub fn spend(&self) -> bool {
        if self.full == UNLIMITED {
            return true;
        }
        let less = |left: u64| left.checked_sub(A_TOKEN);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_rerun_takes_a_token_and_ten_successes_put_one_back() {
        let bucket = Bucket::new(RetryBudget::tokens(2));
        assert!(bucket.spend() && bucket.spend() && !bucket.spend());
        for _ in 0..9 {
            bucket.earn();
        }
        assert!(!bucket.spend());
        bucket.earn();
        assert!(bucket.spend() && !bucket.spend());
        for _ in 0..1_000 {
            bucket.earn();
        }
        assert_eq!(bucket.left.load(Ordering::Relaxed), 20, "it is never more than full");
    }

    #[test]
    fn the_two_ends_are_nothing_and_everything() {
        assert!(!Bucket::new(RetryBudget::tokens(0)).spend());
        let unlimited = Bucket::new(RetryBudget::UNLIMITED);
        assert!((0..10_000).all(|_| unlimited.spend()));
        unlimited.earn();
        assert_eq!(unlimited.budget(), RetryBudget::UNLIMITED);
        assert_eq!(Bucket::new(RetryBudget::default()).budget(), RetryBudget::tokens(100));
    }

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let bucket = Bucket::new(RetryBudget::tokens(1_000));
        let taken: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..500).filter(|_| bucket.spend()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }
}
