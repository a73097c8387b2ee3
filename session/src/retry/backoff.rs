//! The pause before a host that is down is asked again.

use std::time::Duration;

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
    fn a_host_is_asked_often_at_first_and_once_a_second_in_the_end() {
        assert!((0..64).all(|tries| wait_for_host(tries) <= Duration::from_millis(25)));
        assert!(wait_for_host(u32::MAX) <= Duration::from_secs(1));
    }
}
