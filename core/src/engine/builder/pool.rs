//! What can be set on the engine's pool.

use std::time::Duration;

use super::EngineBuilder;
use crate::dialect::Dialect;
use crate::pool::{AnyKind, Limit, PoolOptions, PrePing, ResetOnReturn};

impl<C: Dialect> EngineBuilder<C> {
    /// The kind of pool (`poolclass` and `pool` in SQLAlchemy). Default: a [`Queue`](crate::pool::Queue); for an SQLite
    /// database in memory a [`ThreadLocal`](crate::pool::ThreadLocal), unless an option that only a queue has a use for is set (`pool_size`, `max_overflow`, `pool_use_lifo`, `pool_min_idle`).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, pool};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db").pool(pool::Null).build()?;
    /// assert_eq!(engine.pool().kind(), "NullPool");
    ///
    /// let error = Engine::<SqliteConnection>::builder("sqlite://bank.db").pool(pool::Null).pool_size(3).build();
    /// assert!(error.unwrap_err().to_string().contains("`pool_size` has no meaning for the kind NullPool"));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn pool(mut self, kind: impl Into<AnyKind<C>>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Connections that are kept open while idle; default 5, and 0 means no limit, as in SQLAlchemy.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool.pool_size = match connections {
            0 => Limit::Unlimited,
            some => Limit::AtMost(some),
        };
        self.sized.get_or_insert("pool_size");
        self
    }

    /// Connections above `pool_size` that may be open at the same time; default 10. They are closed on return.
    pub fn max_overflow(mut self, connections: usize) -> Self {
        self.pool.max_overflow = Limit::AtMost(connections);
        self.sized.get_or_insert("max_overflow");
        self
    }

    /// No limit to the connections above `pool_size` (`max_overflow=-1` in SQLAlchemy).
    pub fn unlimited_overflow(mut self) -> Self {
        self.pool.max_overflow = Limit::Unlimited;
        self.sized.get_or_insert("unlimited_overflow");
        self
    }

    /// Every setting of the pool at once.
    pub fn pool_options(mut self, options: PoolOptions) -> Self {
        self.pool = options;
        self
    }

    /// How long a checkout may wait for a free connection; default 30 s.
    pub fn pool_timeout(mut self, timeout: Duration) -> Self {
        self.pool.pool_timeout = timeout;
        self
    }

    /// A connection older than this is replaced at its next checkout; age counts from connecting. Default: never.
    pub fn pool_recycle(mut self, age: Duration) -> Self {
        self.pool.pool_recycle = Some(age);
        self
    }

    /// Whether a connection is tested before it is handed out; default [`PrePing::Never`].
    pub fn pool_pre_ping(mut self, pre_ping: PrePing) -> Self {
        self.pool.pre_ping = pre_ping;
        self
    }

    /// Hands out the connection that was returned last instead of the one that was returned first; default false.
    pub fn pool_use_lifo(mut self, lifo: bool) -> Self {
        self.pool.use_lifo = lifo;
        if lifo {
            self.sized.get_or_insert("pool_use_lifo");
        }
        self
    }

    /// What happens to a connection that comes back with a transaction open; default [`ResetOnReturn::Rollback`].
    pub fn pool_reset_on_return(mut self, reset: ResetOnReturn) -> Self {
        self.pool.reset_on_return = reset;
        self
    }

    /// Idle connections that are made ahead of need; default 0. Starts a maintenance thread, as do the four below.
    pub fn pool_min_idle(mut self, connections: usize) -> Self {
        self.pool.min_idle = connections;
        if connections > 0 {
            self.sized.get_or_insert("pool_min_idle");
        }
        self
    }

    /// Time after which an idle connection is closed; default: never.
    pub fn pool_idle_timeout(mut self, idle: Duration) -> Self {
        self.pool.idle_timeout = Some(idle);
        self
    }

    /// Age above which a connection is closed while idle, less up to a tenth at random; default: never.
    pub fn pool_max_lifetime(mut self, age: Duration) -> Self {
        self.pool.max_lifetime = Some(age);
        self
    }

    /// How often an idle connection is tested; default: never.
    pub fn pool_keepalive(mut self, every: Duration) -> Self {
        self.pool.keepalive = Some(every);
        self
    }

    /// Time after which a checkout that has not come back is reported, with its place; default: never.
    pub fn leak_detection_threshold(mut self, held: Duration) -> Self {
        self.pool.leak_detection_threshold = Some(held);
        self
    }
}
