//! Which transactions of an engine are verified, and what it knows of the tables of ours.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::Engine;
use crate::dialect::Dialect;
use crate::verify::KnownTable;

/// See [`EngineBuilder::commit_token_retention`](crate::EngineBuilder::commit_token_retention).
const RETENTION: Duration = Duration::from_hours(7 * 24);

/// What an engine's handles share.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) all: bool,
    pub(super) retention: Duration,
    table: Known,
    /// The table of results was found.
    results: AtomicBool,
}

/// The table, once it was found. Two numbers and no lock, since a forked child could not wait for one: the identity is
/// published last.
#[derive(Debug, Default)]
struct Known {
    /// 0 while nothing is known; an identity that is 0 is asked for each time.
    identity: AtomicU64,
    asks_by_number: AtomicU64,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            all: false,
            retention: RETENTION,
            table: Known::default(),
            results: AtomicBool::new(false),
        }
    }
}

impl<C: Dialect> Engine<C> {
    /// Whether every transaction that writes is verified; see
    /// [`EngineBuilder::verify_commits`](crate::EngineBuilder::verify_commits).
    pub fn verifies_commits(&self) -> bool {
        self.0.commits.all
    }

    /// How long commit tokens can be resolved; see
    /// [`EngineBuilder::commit_token_retention`](crate::EngineBuilder::commit_token_retention).
    pub fn commit_token_retention(&self) -> Duration {
        self.0.commits.retention
    }

    /// The table of tokens, if it was found before. For the layers above.
    #[doc(hidden)]
    pub fn known_commit_table(&self) -> Option<KnownTable> {
        let known = &self.0.commits.table;
        match known.identity.load(Ordering::Acquire) {
            0 => None,
            identity => Some(KnownTable {
                identity,
                asks_by_number: known.asks_by_number.load(Ordering::Relaxed) == 1,
            }),
        }
    }

    /// Remembers the table of tokens; `None` where it is to be looked for again. For the layers above.
    #[doc(hidden)]
    pub fn remember_commit_table(&self, table: Option<KnownTable>) {
        let known = &self.0.commits.table;
        if let Some(table) = table {
            known
                .asks_by_number
                .store(u64::from(table.asks_by_number), Ordering::Relaxed);
        }
        known
            .identity
            .store(table.map_or(0, |table| table.identity), Ordering::Release);
    }

    /// Whether the table of results was found before. For the layers above.
    #[doc(hidden)]
    pub fn knows_result_table(&self) -> bool {
        self.0.commits.results.load(Ordering::Relaxed)
    }

    /// Remembers that the table of results is there, or that it is to be looked for again. For the layers above.
    #[doc(hidden)]
    pub fn remember_result_table(&self, there: bool) {
        self.0.commits.results.store(there, Ordering::Relaxed);
    }
}
