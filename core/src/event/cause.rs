//! Why, and in the middle of what: words that some events carry.

use std::fmt;

/// Why a connection was replaced or closed without being at fault.
///
/// ```
/// use aludel_core::event::RecycleCause;
///
/// assert_eq!(RecycleCause::Age.to_string(), "exceeded timeout; recycling");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecycleCause {
    /// Older than `pool_recycle`.
    Age,
    /// Its generation was retired.
    Retired,
    /// Its last holder had declared it unfit.
    SoftInvalidated,
    /// Older than `max_lifetime`.
    Lifetime,
    /// Idle for longer than `idle_timeout`.
    Idle,
}

impl fmt::Display for RecycleCause {
    /// SQLAlchemy's words where it has some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "exceeded timeout; recycling",
            Self::Retired => "invalidated due to pool invalidation; recycling",
            Self::SoftInvalidated => "invalidated due to local soft invalidation; recycling",
            Self::Lifetime => "exceeded its lifetime; recycling",
            Self::Idle => "was idle for too long; closing",
        })
    }
}

/// What a pool asks of a server during a checkout.
///
/// ```
/// use aludel_core::event::Step;
///
/// assert_eq!(Step::Ping.to_string(), "ping");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// To take a new connection.
    Connect,
    /// To give a sign of life.
    Ping,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
        })
    }
}
