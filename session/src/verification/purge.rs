//! Removing tokens that nobody can ask for any more, and whatever else of ours has grown old.

use std::time::Duration;

use aludel_core::verify::CommitTable;
use aludel_core::{Dialect, Engine, Phase, Result};
use diesel::result::QueryResult;

use super::{Wish, read_committed};
use crate::connection::{Connection, no_text};
use crate::own_table::OwnTable;
use crate::transaction::Origin;

/// Rows in one transaction. More would hold locks and undo for longer; fewer would cost more commits.
const BATCH: i64 = 1_000;

/// See [`EngineExt::purge_commit_tokens`](crate::EngineExt::purge_commit_tokens).
#[track_caller]
pub(crate) fn purge<C: Dialect>(engine: &Engine<C>) -> Result<u64> {
    let kept = engine.commit_token_retention().saturating_add(margin(engine));
    in_batches::<CommitTable, C>(engine, kept, C::purge_commits)
}

/// Removes from a table of ours what is older than `kept` by the server's clock, and says how much it was.
#[track_caller]
pub(crate) fn in_batches<T: OwnTable, C: Dialect>(
    engine: &Engine<C>,
    kept: Duration,
    delete: fn(&mut C, i64, i64) -> QueryResult<usize>,
) -> Result<u64> {
    let mut connection = Connection::new(engine.clone(), false);
    connection.connected()?;
    if connection.look_for_table::<T>()?.is_none() {
        return Ok(0);
    }
    let mut removed = 0;
    loop {
        connection.wish = Wish {
            verified: Some(false),
            ..Wish::default()
        };
        connection.begin_immediate = true;
        // InnoDB would otherwise lock the gap behind the rows, into which new ones are written.
        connection.begin_root(Origin::Explicit, read_committed::<C>())?;
        let now = connection.call(Phase::Statement, no_text, C::server_clock)?;
        let before = now.saturating_sub(micros(kept));
        let batch = connection.call(Phase::Statement, no_text, |raw| delete(raw, before, BATCH))?;
        connection.commit_root()?;
        removed += u64::try_from(batch).unwrap_or(u64::MAX);
        if i64::try_from(batch).is_ok_and(|batch| batch < BATCH) {
            return Ok(removed);
        }
    }
}

/// Between the last answer and the purge: for clocks of two servers that differ. (A resolver looks at the clock again
/// after it has waited, so its own duration needs no room here.)
fn margin<C: Dialect>(engine: &Engine<C>) -> Duration {
    let eighth = engine.commit_token_retention() / 8;
    eighth.clamp(Duration::from_mins(1), Duration::from_hours(24))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
