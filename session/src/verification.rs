//! Verified transactions: a token is written before COMMIT, and asked for when the answer to COMMIT never came.
//!
//! What is known of the open transaction's token is here; [`write`] sends it, [`resolve`] finds out.

use std::time::{Duration, Instant};

use aludel_core::dialect::Characteristics;
use aludel_core::verify::CommitToken;
use aludel_core::{Dialect, ExecutionOptions, Flavour, IsolationLevel};

mod purge;
mod resolve;
mod table;
mod write;

pub(crate) use purge::{in_batches, purge};
pub(crate) use resolve::resolve;

/// The root of whoever reads or changes the table of tokens. SQLite has one level, which serves.
fn read_committed<C: Dialect>() -> Characteristics {
    let level = match C::FLAVOUR {
        Flavour::Sqlite => IsolationLevel::Serializable,
        _ => IsolationLevel::ReadCommitted,
    };
    let options = ExecutionOptions::new().isolation_level(level);
    options.read_write().characteristics()
}

/// What somebody wants of the next root: its COMMIT, and what of ours it will write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// Whether it is to be verified; `None` leaves it to the engine.
    pub(crate) verified: Option<bool>,
    /// Until when an unknown COMMIT is to be resolved at once; `None` leaves it to whoever gets the error.
    pub(crate) until: Option<Instant>,
    /// The same, counted from the moment at which its answer is missing.
    pub(crate) within: Option<Duration>,
    /// It is to keep a result under a key.
    pub(crate) keeps_result: bool,
}

/// What is known of the root's token.
#[derive(Debug, Default)]
pub(crate) struct Verification {
    wanted: bool,
    until: Option<Instant>,
    within: Option<Duration>,
    token: Option<CommitToken>,
    /// Depth of the savepoints in which its row was written, 0 for none; `None` while the row is not there.
    depth: Option<usize>,
    /// Nothing was written, so nothing can be lost with the answer to COMMIT.
    untouched: bool,
    /// It keeps a result under a key.
    keeps_result: bool,
}

impl Verification {
    pub(crate) fn new(wanted: bool, wish: Wish) -> Self {
        Self {
            wanted,
            until: wish.until,
            within: wish.within,
            keeps_result: wish.keeps_result,
            ..Self::default()
        }
    }

    /// The token, where its row is part of what COMMIT commits.
    pub(crate) fn token(&self) -> Option<CommitToken> {
        self.token.filter(|_| self.depth.is_some())
    }

    /// COMMIT has nothing to commit, and somebody has made sure of it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// How long an unknown COMMIT is to be resolved at once, if at all.
    fn patience(&self, now: Instant) -> Option<Duration> {
        self.until
            .map(|until| until.saturating_duration_since(now))
            .or(self.within)
    }

    /// The row belongs to the level around the savepoint now.
    pub(crate) fn released(&mut self, savepoint: usize) {
        self.depth = self.depth.map(|depth| depth.min(savepoint - 1));
    }

    /// A row that was written since the savepoint is not there any more; it is written again before COMMIT.
    pub(crate) fn rolled_back_to(&mut self, savepoint: usize) {
        self.depth = self.depth.filter(|depth| *depth < savepoint);
    }
}
