//! The statements that steer a transaction, as values.

use std::borrow::Cow;

/// One transaction control statement.
///
/// Savepoint names are ours and never a user's text: `aludel_sp_<depth>`. A depth is used again only after its
/// savepoint was released, so names stay unique among the open ones and few enough to be cached as prepared statements.
///
/// ```
/// use aludel_core::Control;
///
/// assert_eq!(Control::Savepoint(1).sql(), "SAVEPOINT aludel_sp_1");
/// assert_eq!(Control::RollbackTo(2).sql(), "ROLLBACK TO SAVEPOINT aludel_sp_2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Control {
    /// `BEGIN`.
    Begin,
    /// `BEGIN IMMEDIATE`: SQLite takes its write lock at once; elsewhere the same as [`Begin`](Self::Begin).
    BeginImmediate,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `SAVEPOINT` at a depth, counted from 1.
    Savepoint(usize),
    /// `RELEASE SAVEPOINT` at a depth.
    Release(usize),
    /// `ROLLBACK TO SAVEPOINT` at a depth.
    RollbackTo(usize),
}

/// Depths whose statements are static text; deeper ones are formatted and never cached.
///
/// Each costs three prepared statements on a server whose limit (16,382 by default on MariaDB) is shared by everybody;
/// code that nests deeper than this is rare enough to pay for its own parsing.
///
/// ```
/// use aludel_core::{Control, STATIC_DEPTHS};
///
/// assert!(Control::Savepoint(STATIC_DEPTHS).is_static());
/// assert!(!Control::Savepoint(STATIC_DEPTHS + 1).is_static());
/// ```
pub const STATIC_DEPTHS: usize = 16;

macro_rules! by_depth {
    ($depth:expr, $verb:literal) => {
        match $depth {
            1 => Cow::Borrowed(concat!($verb, " aludel_sp_1")),
            2 => Cow::Borrowed(concat!($verb, " aludel_sp_2")),
            3 => Cow::Borrowed(concat!($verb, " aludel_sp_3")),
            4 => Cow::Borrowed(concat!($verb, " aludel_sp_4")),
            5 => Cow::Borrowed(concat!($verb, " aludel_sp_5")),
            6 => Cow::Borrowed(concat!($verb, " aludel_sp_6")),
            7 => Cow::Borrowed(concat!($verb, " aludel_sp_7")),
            8 => Cow::Borrowed(concat!($verb, " aludel_sp_8")),
            9 => Cow::Borrowed(concat!($verb, " aludel_sp_9")),
            10 => Cow::Borrowed(concat!($verb, " aludel_sp_10")),
            11 => Cow::Borrowed(concat!($verb, " aludel_sp_11")),
            12 => Cow::Borrowed(concat!($verb, " aludel_sp_12")),
            13 => Cow::Borrowed(concat!($verb, " aludel_sp_13")),
            14 => Cow::Borrowed(concat!($verb, " aludel_sp_14")),
            15 => Cow::Borrowed(concat!($verb, " aludel_sp_15")),
            16 => Cow::Borrowed(concat!($verb, " aludel_sp_16")),
            deeper => Cow::Owned(format!(concat!($verb, " aludel_sp_{}"), deeper)),
        }
    };
}

impl Control {
    /// The statement's text.
    pub fn sql(self) -> Cow<'static, str> {
        match self {
            Self::Begin => Cow::Borrowed("BEGIN"),
            Self::BeginImmediate => Cow::Borrowed("BEGIN IMMEDIATE"),
            Self::Commit => Cow::Borrowed("COMMIT"),
            Self::Rollback => Cow::Borrowed("ROLLBACK"),
            Self::Savepoint(depth) => by_depth!(depth, "SAVEPOINT"),
            Self::Release(depth) => by_depth!(depth, "RELEASE SAVEPOINT"),
            Self::RollbackTo(depth) => by_depth!(depth, "ROLLBACK TO SAVEPOINT"),
        }
    }

    /// Whether the statement's text is one of a small, fixed set, and may be kept as a prepared statement.
    pub fn is_static(self) -> bool {
        match self {
            Self::Savepoint(depth) | Self::Release(depth) | Self::RollbackTo(depth) => depth <= STATIC_DEPTHS,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_depths_are_static_and_the_next_is_not() {
        assert!(matches!(Control::Savepoint(STATIC_DEPTHS).sql(), Cow::Borrowed(_)));
        assert!(matches!(Control::Savepoint(STATIC_DEPTHS + 1).sql(), Cow::Owned(_)));
        assert!(Control::Release(STATIC_DEPTHS).is_static() && !Control::Release(STATIC_DEPTHS + 1).is_static());
    }
}
