//! Times that the unit of work writes.

use std::time::SystemTime;

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
pub trait Timestamp {
    /// This time, in UTC where the type has no time zone. Databases keep microseconds at most.
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
