//! What can be set on a pool.

use std::time::Duration;

/// When a connection is tested before it is handed out (`pool_pre_ping`).
///
/// A connection that was made for this very checkout is never tested, so a checkout sends at most one ping.
///
/// ```
/// use aludel_core::pool::{PoolOptions, PrePing};
/// use std::time::Duration;
///
/// let pre_ping = PrePing::IdleFor(Duration::from_millis(500));
/// let options = PoolOptions { pre_ping, ..PoolOptions::default() };
/// assert_eq!(PrePing::default(), PrePing::Never);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrePing {
    /// Never: a dead connection is found by the first statement on it.
    #[default]
    Never,
    /// At every checkout: one round trip each.
    Always,
    /// Only if it has been idle for at least this long: a busy pool pays nothing, a quiet one does not serve corpses.
    IdleFor(Duration),
}

/// What is done with a connection that comes back with a transaction possibly open (`pool_reset_on_return`).
///
/// A clean one is not reset, whatever is set here.
///
/// ```
/// use aludel_core::pool::ResetOnReturn;
///
/// assert_eq!(ResetOnReturn::default(), ResetOnReturn::Rollback);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetOnReturn {
    /// ROLLBACK.
    #[default]
    Rollback,
    /// COMMIT.
    Commit,
    /// Nothing: the next borrower inherits what is there.
    None,
}

/// Every setting of a pool, with SQLAlchemy's names and defaults.
///
/// ```
/// use aludel_core::pool::PoolOptions;
///
/// let options = PoolOptions { pool_size: 20, max_overflow: Some(0), ..PoolOptions::default() };
/// assert_eq!(options.limit(), Some(20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many idle connections are kept. Default 5; 0 = no limit, and then `max_overflow` has no meaning.
    pub pool_size: usize,
    /// How many connections there may be above `pool_size`. Default `Some(10)`; `None` = no limit. One of these is
    /// closed when it comes back, `pool_size` others are idle and nobody waits.
    pub max_overflow: Option<usize>,
    /// How long a checkout waits for a connection to come back. Default 30 s; `Duration::MAX` = for ever.
    pub pool_timeout: Duration,
    /// Age since connect above which a connection is replaced at its next checkout. Default `None` = never.
    pub pool_recycle: Option<Duration>,
    /// When a connection is tested before it is handed out. Default [`PrePing::Never`].
    pub pre_ping: PrePing,
    /// Hand out the connection that came back last, so that a quiet pool's others age out at the server. Default
    /// `false`: the one that came back first, so that all are used in turn.
    pub use_lifo: bool,
    /// What is done with a dirty connection that comes back. Default [`ResetOnReturn::Rollback`].
    pub reset_on_return: ResetOnReturn,
}

impl PoolOptions {
    /// How many connections there may be at once; `None` = no limit.
    pub fn limit(&self) -> Option<usize> {
        match self.pool_size {
            0 => None,
            size => self.max_overflow.map(|overflow| size.saturating_add(overflow)),
        }
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            pool_size: 5,
            max_overflow: Some(10),
            pool_timeout: Duration::from_secs(30),
            pool_recycle: None,
            pre_ping: PrePing::Never,
            use_lifo: false,
            reset_on_return: ResetOnReturn::Rollback,
        }
    }
}
