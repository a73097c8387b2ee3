//! Times that the unit of work writes.

#[cfg(feature = "chrono")]
mod chrono;

use std::time::{Duration, SystemTime};

/// What a time is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The row is inserted.
    Created,
    /// The row is updated.
    Updated,
    /// The row is marked as deleted.
    Deleted,
}

/// A type of `#[model(created_at)]`, `#[model(updated_at)]` and `#[model(soft_delete)]` fields.
///
/// It is implemented for [`SystemTime`], with the feature `chrono` for `NaiveDateTime` and `DateTime<Utc>`, and for `Option`
/// of any; implement it for a type of your own.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use aludel::Timestamp;
///
/// /// Seconds since 1970.
/// #[derive(Debug, PartialEq)]
/// struct Seconds(u64);
///
/// impl Timestamp for Seconds {
///     fn from_time(time: SystemTime) -> Self {
///         Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
///     }
/// }
///
/// assert_eq!(Seconds::from_time(SystemTime::UNIX_EPOCH + Duration::from_secs(3)), Seconds(3));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time that a flush can write",
    label = "not a time",
    note = "there are `SystemTime`, with the feature `chrono` of `aludel` `NaiveDateTime` and `DateTime<Utc>`, and `Option` of these",
    note = "implement `aludel::Timestamp` for a type of your own"
)]
pub trait Timestamp {
    /// This time, in UTC where the type has no time zone. It is one of whole microseconds, since databases keep no more.
    fn from_time(time: SystemTime) -> Self;
}

impl Timestamp for SystemTime {
    fn from_time(time: SystemTime) -> Self {
        time
    }
}

impl<T: Timestamp> Timestamp for Option<T> {
    fn from_time(time: SystemTime) -> Self {
        Some(T::from_time(time))
    }
}

/// What a database can keep of a time.
pub(crate) fn whole_microseconds(time: SystemTime) -> SystemTime {
    let nanoseconds = |since: Duration| Duration::from_nanos(u64::from(since.subsec_nanos() % 1000));
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => time - nanoseconds(since),
        Err(before) => time + nanoseconds(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_microseconds_towards_1970() {
        let epoch = SystemTime::UNIX_EPOCH;
        let (exact, cut) = (Duration::from_nanos(2_000_001_999), Duration::from_micros(2_000_001));
        assert_eq!(whole_microseconds(epoch + exact), epoch + cut);
        assert_eq!(whole_microseconds(epoch - exact), epoch - cut);
        assert_eq!(whole_microseconds(epoch + cut), epoch + cut);
    }
}
