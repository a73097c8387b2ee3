//! The pause between two attempts: full jitter.

use std::time::Duration;

use crate::classify::Class;

/// How long to pause before a transaction runs again: `uniform(0, min(cap, base · 2ⁿ))` for the n-th rerun, counted from 0.
///
/// Everybody who ran into the same trouble comes back at a different time ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
///
/// ```
/// use std::time::Duration;
///
/// use aludel_core::{Backoff, RetryPolicy};
///
/// const BRISK: RetryPolicy =
///     RetryPolicy::new().backoff(Backoff::exponential(Duration::from_millis(1), Duration::from_millis(50)));
/// const AT_ONCE: RetryPolicy = RetryPolicy::new().backoff(Backoff::NONE);
/// # let _ = (BRISK, AT_ONCE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// No pause at all: for tests, and for conflicts of which everybody knows that the winner is done.
    pub const NONE: Self = Self::exponential(Duration::ZERO, Duration::ZERO);

    /// For conflicts and short locks. A longer base would waste time after the many that resolve at once, a shorter one would
    /// make a storm of them.
    const CONFLICT: Self = Self::exponential(Duration::from_millis(10), Duration::from_secs(2));

    /// For connections that were lost: a server that has ended one has mostly ended all, and they all come back.
    const RECONNECT: Self = Self::exponential(Duration::from_millis(100), Duration::from_secs(10));

    /// Pauses that grow from `base` to `cap`. The first rerun waits as well, for up to `base`.
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// What the pauses begin with.
    pub const fn base(&self) -> Duration {
        self.base
    }

    /// What no pause exceeds.
    pub const fn cap(&self) -> Duration {
        self.cap
    }

    /// A pause before the rerun with this number, counted from 0.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::Backoff;
    ///
    /// let backoff = Backoff::exponential(Duration::from_millis(10), Duration::from_millis(35));
    /// assert!(backoff.pause(0) <= Duration::from_millis(10));
    /// assert!(backoff.pause(1) <= Duration::from_millis(20));
    /// assert!(backoff.pause(40) <= Duration::from_millis(35));
    /// ```
    pub fn pause(&self, rerun: u32) -> Duration {
        let doubled = 1_u32.checked_shl(rerun).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap).mul_f64(fastrand::f64())
    }

    /// What is built in: a pause that is computed for one class of errors. For the layers above.
    #[doc(hidden)]
    pub fn built_in(class: Class, rerun: u32) -> Duration {
        match class {
            // The first conflict may run again at once: the winner is done by now.
            Class::Retry if rerun == 0 => Duration::ZERO,
            Class::Retry | Class::Busy => Self::CONFLICT.pause(rerun),
            _ => Self::RECONNECT.pause(rerun),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_conflict_runs_again_at_once_and_later_pauses_stay_under_their_cap() {
        assert_eq!(Backoff::built_in(Class::Retry, 0), Duration::ZERO);
        for rerun in 0..64 {
            assert!(Backoff::built_in(Class::Retry, rerun) <= Duration::from_secs(2));
            assert!(Backoff::built_in(Class::Busy, rerun) <= Duration::from_secs(2));
            assert!(Backoff::built_in(Class::Disconnect, rerun) <= Duration::from_secs(10));
        }
    }

    #[test]
    fn pauses_are_spread_over_all_of_their_time_and_grow() {
        let own = Backoff::exponential(Duration::from_millis(8), Duration::from_millis(100));
        let longest = |rerun| (0..2_000).map(|_| own.pause(rerun)).max().unwrap();
        let shortest = (0..2_000).map(|_| own.pause(3)).min().unwrap();
        assert!(longest(0) > Duration::from_millis(7) && longest(0) <= own.base());
        assert!(longest(3) > Duration::from_millis(60) && longest(3) <= Duration::from_millis(64));
        assert!(longest(u32::MAX) > Duration::from_millis(95) && longest(u32::MAX) <= own.cap());
        assert!(shortest < Duration::from_millis(4));
        assert_eq!(Backoff::NONE.pause(7), Duration::ZERO);
    }
}
