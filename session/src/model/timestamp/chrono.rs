//! The types of `chrono` that Diesel maps on every backend.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::Timestamp;

// The message names it, with the feature and without.
#[diagnostic::do_not_recommend]
impl Timestamp for DateTime<Utc> {
    fn from_time(time: SystemTime) -> Self {
        // Beyond what chrono can say there is no time that a clock shows.
        let delta = |since: Duration| TimeDelta::from_std(since).unwrap_or_default();
        let since = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => delta(since),
            Err(before) => -delta(before.duration()),
        };
        Self::UNIX_EPOCH.checked_add_signed(since).unwrap_or_default()
    }
}

#[diagnostic::do_not_recommend]
impl Timestamp for NaiveDateTime {
    fn from_time(time: SystemTime) -> Self {
        DateTime::<Utc>::from_time(time).naive_utc()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_in_both_types() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(951_782_400_000_001);
        let utc = DateTime::<Utc>::from_time(time);
        assert_eq!(utc.to_rfc3339(), "2000-02-29T00:00:00.000001+00:00");
        assert_eq!(NaiveDateTime::from_time(time), utc.naive_utc());
        assert_eq!(Option::<NaiveDateTime>::from_time(time), Some(utc.naive_utc()));
        let before = SystemTime::UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(DateTime::<Utc>::from_time(before).timestamp_millis(), -1500);
    }
}
