//! How long the statements of a transaction may take that has to be done by a certain time.
//!
//! PostgreSQL is told with BEGIN, and forgets it with the transaction. Elsewhere it is set on the raw connection, and put back
//! with whatever else stands there.

use std::time::{Duration, Instant};

use aludel_core::pool::Checkout;
use aludel_core::{Dialect, Phase, Result};
use diesel::result::QueryResult;

use super::Connection;

/// What no server takes for "no limit", and the least that it can tell apart.
const LEAST: Duration = Duration::from_millis(1);

/// When a root has to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DoneBy {
    pub(crate) at: Instant,
    /// How far that is away when its owner is about to begin, who has just looked at the clock.
    pub(crate) left: Duration,
}

/// The coarse clock is slow by less than this.
const COARSE: Duration = Duration::from_millis(100);

impl<C: Dialect> Connection<C> {
    /// Connects if that has not happened yet, and waits for that no longer than until then.
    pub(crate) fn connected_by(&mut self, done_by: DoneBy) -> Result<&mut Checkout<C>> {
        if !self.is_connected() {
            let pool_timeout = self.engine().pool().options().pool_timeout;
            let before = self.patience.replace(pool_timeout.min(done_by.left.max(LEAST)));
            let connected = self.connected().map(drop);
            self.patience = before;
            connected?;
        }
        self.connected()
    }

    /// What is left until then, where that is less than each statement has anyway.
    pub(super) fn limit_until(&mut self, done_by: DoneBy) -> QueryResult<Option<Duration>> {
        // Set by a root that DDL has ended, and which goes on.
        if self.standing_limit.is_some() {
            return Ok(None);
        }
        let own = match self.engine().known_statement_limit() {
            Some(own) => own,
            None => self.ask_for_statement_limit()?,
        };
        let clock = self.engine().clock();
        let left = |now| done_by.at.saturating_duration_since(now);
        if own.saturating_add(COARSE) <= left(clock.coarse()) {
            return Ok(None);
        }
        let left = left(clock.now()).max(LEAST);
        Ok((left < own).then_some(left))
    }

    /// Once an engine: what its URL, the role and the hooks have set does not change with the connection.
    #[cold]
    fn ask_for_statement_limit(&mut self) -> QueryResult<Duration> {
        let limit = self.drive_beginning("the limit of its statements", C::statement_limit)?;
        self.engine().remember_statement_limit(limit);
        Ok(limit.unwrap_or(Duration::MAX))
    }

    pub(super) fn bound_statements(&mut self, limit: Duration) -> QueryResult<()> {
        self.standing_limit = self.drive_beginning("a limit for its statements", |raw| raw.bound_statements(limit))?;
        Ok(())
    }

    /// Undoes it; what cannot be told so must be closed.
    pub(super) fn put_limit_back(&mut self) -> QueryResult<()> {
        if let Some(was) = self.standing_limit {
            self.drive(|raw| raw.put_statements_back(was))?;
            self.standing_limit = None;
        }
        Ok(())
    }

    /// A call of ours that belongs to BEGIN. A fault script does not see it: who counts BEGINs should not have to count these.
    fn drive_beginning<T>(&mut self, what: &str, f: impl FnOnce(&mut C) -> QueryResult<T>) -> QueryResult<T> {
        self.drive(f).map_err(|error| {
            let error = self.observe(Phase::Begin, Some(what.to_owned()), error);
            self.settle();
            error
        })
    }
}
