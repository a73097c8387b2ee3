//! The pause between two attempts: full jitter.

use std::time::Duration;

use aludel_core::Class;

/// A pause that was computed for one class of errors.
///
/// `uniform(0, min(cap, base · 2ⁿ))`: everybody who ran into the same trouble comes back at a different time. A longer
/// base would waste time after the many conflicts that resolve at once, a shorter one would make a storm of them.
pub(super) fn pause(class: Class, tries: u32) -> Duration {
    let (base, cap) = match class {
        // The first conflict may run again at once: the winner is done by now.
        Class::Retry if tries == 0 => return Duration::ZERO,
        Class::Retry | Class::Busy => (Duration::from_millis(10), Duration::from_secs(2)),
        _ => (Duration::from_millis(100), Duration::from_secs(10)),
    };
    let ceiling = base
        .saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX))
        .min(cap);
    ceiling.mul_f64(fastrand::f64())
}

/// The pause before a host that is down is asked again: every 25 ms at first, since a restart takes seconds and its end
/// should be noticed, then slower up to 1 s, since a host that is down for long should not be hammered.
pub(super) fn wait_for_host(tries: u32) -> Duration {
    const QUICK_TRIES: u32 = 200;
    let ceiling = if tries < QUICK_TRIES {
        Duration::from_millis(25)
    } else {
        Duration::from_millis(25)
            .saturating_mul(tries - QUICK_TRIES + 1)
            .min(Duration::from_secs(1))
    };
    // Half of it is jitter, so that many who wait do not knock together.
    ceiling.mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_conflict_runs_again_at_once_and_later_pauses_stay_under_their_cap() {
        assert_eq!(pause(Class::Retry, 0), Duration::ZERO);
        for tries in 0..64 {
            assert!(pause(Class::Retry, tries) <= Duration::from_secs(2));
            assert!(pause(Class::Disconnect, tries) <= Duration::from_secs(10));
            assert!(wait_for_host(tries) <= Duration::from_millis(25));
        }
        assert!(wait_for_host(u32::MAX) <= Duration::from_secs(1));
    }
}
