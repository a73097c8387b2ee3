//! Chaos on `SQLite`: nobody can be killed inside one's own process, but anybody can be in the way, and a driver can be made
//! to say that its connection is gone.

use std::time::Duration;

use aludel::Phase;
use aludel::testing::FaultScript;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::sqlite::SqliteConnection;

use super::nemesis::{Deed, pause};
use super::site::Site;
use crate::sqlite::{self, TempDatabase};

/// Engines on the one file, as several programs would have them.
const ENGINES: usize = 3;

/// How long the file is locked by somebody else, in milliseconds: often longer than the engines wait.
const LOCKED_MS: std::ops::Range<u64> = 100..500;

/// What an engine's connections wait for a lock, in milliseconds. The office waits as long as it is by default.
const BUSY_TIMEOUT_MS: u32 = 100;

/// Rows that are read at once; the script strikes at one of them.
const ROWS: u64 = 12;

/// What is asked when a connection is found to be gone.
const PHASES: [Phase; 7] = [
    Phase::Begin,
    Phase::Statement,
    Phase::Savepoint,
    Phase::Release,
    Phase::RollbackTo,
    Phase::Commit,
    Phase::Fetch,
];

#[derive(Debug)]
struct OnSqlite {
    file: TempDatabase,
    script: FaultScript,
}

/// A file for one run alone.
///
/// # Panics
///
/// As [`file`](crate::sqlite::file).
pub fn sqlite() -> impl Site {
    OnSqlite {
        file: sqlite::file(),
        script: FaultScript::new(),
    }
}

impl OnSqlite {
    fn hold_lock(&self, kind: &str, lasts: Duration) -> bool {
        let path = self.file.path().to_str().expect("the path is UTF-8");
        let mut stranger = SqliteConnection::establish(path).expect("the file can be opened");
        let begin = format!("PRAGMA busy_timeout = 5000; BEGIN {kind}");
        let locked = stranger.batch_execute(&begin).is_ok();
        if locked {
            pause(lasts);
            stranger.batch_execute("ROLLBACK").expect("it may end what it began");
        }
        locked
    }

    /// Until somebody has run into it.
    fn lose(&self, phase: Phase, random: &mut fastrand::Rng) {
        let (kind, text) = what_is_said(random);
        if phase == Phase::Fetch {
            self.script.fail_at_row(random.u64(1..=ROWS), kind, text);
        } else {
            self.script.fail_before(phase, kind, text);
        }
    }
}

/// A connection that is gone, which it denies when it is asked; or a disk that fails, after which none is kept.
fn what_is_said(random: &mut fastrand::Rng) -> (DatabaseErrorKind, &'static str) {
    if random.bool() {
        (DatabaseErrorKind::ClosedConnection, "the connection is gone")
    } else {
        (DatabaseErrorKind::Unknown, "disk I/O error")
    }
}

impl Site for OnSqlite {
    fn name(&self) -> String {
        format!("SQLite, {ENGINES} engines on one file")
    }

    fn urls(&self) -> Vec<String> {
        let url = format!(
            "{}?journal_mode=wal&synchronous=normal&busy_timeout={BUSY_TIMEOUT_MS}",
            self.file.url()
        );
        vec![url; ENGINES]
    }

    fn office_url(&self) -> String {
        format!("{}?journal_mode=wal&synchronous=normal", self.file.url())
    }

    fn faults(&self) -> FaultScript {
        self.script.clone()
    }

    fn deck(&self) -> Vec<Deed> {
        let mut deck = vec![Deed::HoldLocks, Deed::HoldLocks, Deed::Dispose];
        deck.extend([Deed::Lose; 10]);
        deck.extend([Deed::LoseCommit; 14]);
        deck
    }

    fn strike(&self, deed: Deed, random: &mut fastrand::Rng) -> bool {
        match deed {
            Deed::HoldLocks => {
                let kind = if random.bool() { "IMMEDIATE" } else { "EXCLUSIVE" };
                self.hold_lock(kind, Duration::from_millis(random.u64(LOCKED_MS)))
            }
            Deed::Lose => {
                self.lose(PHASES[random.usize(..PHASES.len())], random);
                true
            }
            Deed::LoseCommit => {
                let (kind, text) = what_is_said(random);
                self.script.fail_after(Phase::Commit, kind, text);
                true
            }
            _ => false,
        }
    }

    fn open_transactions(&self) -> Vec<String> {
        let path = self.file.path().to_str().expect("the path is UTF-8");
        let mut stranger = SqliteConnection::establish(path).expect("the file can be opened");
        // Who could still write, or read what is old, would be in the way of one of these; there is no busy timeout.
        let alone = stranger.batch_execute("BEGIN EXCLUSIVE; ROLLBACK; PRAGMA wal_checkpoint(TRUNCATE)");
        alone.err().iter().map(ToString::to_string).collect()
    }
}
