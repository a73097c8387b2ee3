//! What goes wrong, on purpose: a script that the engine runs into, one fault after the other; and what came of it.

use std::sync::atomic::{AtomicU32, Ordering};

use aludel::Phase;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::verify::Resolution;
use diesel::result::DatabaseErrorKind;

/// Before every fourth order, something for whoever comes next to run into.
pub(crate) fn changes(faults: &FaultScript, order: u32) {
    match order % 16 {
        0 => faults.fail_before(Phase::Statement, DatabaseErrorKind::Unknown, "database is locked"),
        4 => faults.fail_before(
            Phase::Statement,
            DatabaseErrorKind::ClosedConnection,
            "the connection is gone",
        ),
        // The two that no program can tell apart without asking: never sent, and sent and done.
        8 => faults.fail_before(
            Phase::Commit,
            DatabaseErrorKind::ClosedConnection,
            "the answer never came",
        ),
        12 => faults.fail_after(
            Phase::Commit,
            DatabaseErrorKind::ClosedConnection,
            "the answer never came",
        ),
        _ => {}
    }
}

/// What the engine had to do about the weather, counted.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) reruns: AtomicU32,
    pub(crate) unanswered: AtomicU32,
    pub(crate) committed_after_all: AtomicU32,
}

impl Log {
    pub(crate) fn note(&self, event: &Event<'_>) {
        let count = match event {
            Event::Rerun { .. } => &self.reruns,
            Event::CommitUnknown { .. } => &self.unanswered,
            Event::CommitResolved {
                resolution: Resolution::Committed,
                ..
            } => &self.committed_after_all,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
