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
/// A clean one is not reset, whatever is set here; with [`Full`](Self::Full), one that a session has used is not clean.
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
    /// ROLLBACK, and whatever else a borrower may have left in its session: settings, temporary tables, advisory locks,
    /// LISTEN, prepared statements (`DISCARD ALL` on PostgreSQL; elsewhere, and where a creator, a manager or a
    /// foreign pool has made it and may have set it up, the connection is replaced).
    Full,
}

/// A number of connections, or none.
///
/// ```
/// use aludel_core::pool::Limit;
///
/// assert_eq!(Limit::from(5), Limit::AtMost(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No more than this.
    AtMost(usize),
    /// As many as are asked for (`pool_size=0` and `max_overflow=-1` in SQLAlchemy).
    Unlimited,
}

impl From<usize> for Limit {
    fn from(connections: usize) -> Self {
        Self::AtMost(connections)
    }
}

/// SQLAlchemy's.
pub(super) const DEFAULT_POOL_TIMEOUT: Duration = Duration::from_secs(30);

/// Every setting of a pool, with SQLAlchemy's names and defaults where it has them.
///
/// ```
/// use aludel_core::pool::{Limit, PoolOptions};
///
/// let options = PoolOptions { pool_size: 20.into(), max_overflow: 0.into(), ..PoolOptions::default() };
/// assert_eq!(options.limit(), Limit::AtMost(20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many idle connections are kept. Default 5; without a limit `max_overflow` has no meaning.
    pub pool_size: Limit,
    /// How many connections there may be above `pool_size`. Default 10. One of these is closed when it comes back,
    /// `pool_size` others are idle and nobody waits.
    pub max_overflow: Limit,
    /// How long a checkout may take: waiting for a connection to come back, making one, testing one. Default 30 s;
    /// `Duration::MAX` = for ever; zero = nobody is waited for, while making and testing have the default's time.
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
    /// How many idle connections are made ahead of need. Default 0: none. Anything else starts a maintenance thread, as
    /// do the four below. Only where a checkout may wait ([`Rule::Wait`](super::Rule::Wait)): a connection that belongs to
    /// a thread is made by it.
    pub min_idle: usize,
    /// Time after which an idle connection is closed, down to `min_idle`. Default `None` = never.
    pub idle_timeout: Option<Duration>,
    /// Age since connect above which a connection is closed while idle, or replaced at its next checkout. Each has up to
    /// a tenth less, chosen at random, so that those made together do not die together. Default `None` = never.
    pub max_lifetime: Option<Duration>,
    /// How often an idle connection is tested, so that neither server nor firewall forgets it. Default `None` = never. Only
    /// where a checkout may wait ([`Rule::Wait`](super::Rule::Wait)), since nobody can have it meanwhile.
    pub keepalive: Option<Duration>,
    /// Time after which a checkout that has not come back is reported. Default `None` = never.
    pub leak_detection_threshold: Option<Duration>,
}

impl PoolOptions {
    /// How many connections there may be at once.
    pub fn limit(&self) -> Limit {
        match (self.pool_size, self.max_overflow) {
            (Limit::AtMost(size), Limit::AtMost(overflow)) => Limit::AtMost(size.saturating_add(overflow)),
            _ => Limit::Unlimited,
        }
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            pool_size: Limit::AtMost(5),
            max_overflow: Limit::AtMost(10),
            pool_timeout: DEFAULT_POOL_TIMEOUT,
            pool_recycle: None,
            pre_ping: PrePing::Never,
            use_lifo: false,
            reset_on_return: ResetOnReturn::Rollback,
            min_idle: 0,
            idle_timeout: None,
            max_lifetime: None,
            keepalive: None,
            leak_detection_threshold: None,
        }
    }
}
