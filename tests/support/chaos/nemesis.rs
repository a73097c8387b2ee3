//! Who breaks things, and by which plan.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::site::Site;

/// Between two deeds, in milliseconds: long enough for most to find work in progress, short enough for two or three dozen
/// within ten seconds.
const PAUSE_MS: std::ops::Range<u64> = 20..150;

/// One kind of thing that is done to a database and its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// One connection is killed, whatever it does.
    KillOne,
    /// One connection is killed in COMMIT.
    KillInCommit,
    /// Every connection is killed.
    KillAll,
    /// `kill -9`, and a new start.
    Crash,
    /// Shut down in good order, and started again.
    Restart,
    /// Nobody answers for a moment, and connections stay open.
    Freeze,
    /// Nothing can be written for a moment.
    ReadOnly,
    /// An account is locked by somebody else, for longer than others wait.
    HoldLocks,
    /// There is no room for new connections for a moment, and the old ones are killed.
    NoRoom,
    /// Every engine is disposed of while it is in use.
    Dispose,
    /// The network is cut before the server sees a COMMIT.
    CutBeforeCommit,
    /// The network is cut when the server has answered a COMMIT.
    CutAfterCommit,
    /// The server answers a COMMIT, and for a moment nobody hears of it; then the network is cut.
    SwallowCommit,
    /// The network is cut before or after SAVEPOINT, RELEASE or ROLLBACK TO.
    CutAtSavepoint,
    /// The network is cut before or after a statement, BEGIN or ROLLBACK.
    CutAtStatement,
    /// The network is cut while rows are on their way.
    CutAtRow,
    /// The network is cut on all connections.
    CutAll,
    /// The same, and nobody gets in for a moment.
    Refuse,
    /// The driver says that its connection is gone, in whatever it is asked next.
    Lose,
    /// The same as the answer to a COMMIT that has happened.
    LoseCommit,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillOne => "connection killed",
            Self::KillInCommit => "connection killed in COMMIT",
            Self::KillAll => "all connections killed",
            Self::Crash => "kill -9 and start",
            Self::Restart => "restart in good order",
            Self::Freeze => "stopped for a moment",
            Self::ReadOnly => "read-only for a moment",
            Self::HoldLocks => "account locked by somebody else",
            Self::NoRoom => "no room for connections",
            Self::Dispose => "engines disposed of",
            Self::CutBeforeCommit => "cut before COMMIT",
            Self::CutAfterCommit => "cut after COMMIT",
            Self::SwallowCommit => "answer to COMMIT swallowed",
            Self::CutAtSavepoint => "cut at a savepoint",
            Self::CutAtStatement => "cut at a statement",
            Self::CutAtRow => "cut at a row",
            Self::CutAll => "all connections cut",
            Self::Refuse => "connections refused",
            Self::Lose => "connection lost by script",
            Self::LoseCommit => "answer to COMMIT lost by script",
        })
    }
}

/// Does what the site's deck holds, shuffled, again and again, until the time is over and the deck was done once. The seed
/// decides about the order, the pauses and the victims; what they find is the machine's.
///
/// Answers how often each deed hit something.
pub(super) fn rage(site: &dyn Site, dispose: impl Fn(), seed: u64, lasts: Duration) -> BTreeMap<Deed, u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    let mut hits: BTreeMap<Deed, u64> = BTreeMap::new();
    let mut deck = site.deck();
    let mut rounds = 0;
    loop {
        random.shuffle(&mut deck);
        for deed in &deck {
            if rounds > 0 && begun.elapsed() >= lasts {
                return hits;
            }
            pause(Duration::from_millis(random.u64(PAUSE_MS)));
            let hit = if *deed == Deed::Dispose {
                dispose();
                true
            } else {
                site.strike(*deed, &mut random)
            };
            *hits.entry(*deed).or_default() += u64::from(hit);
        }
        rounds += 1;
    }
}

/// The rhythm of the chaos itself. Nobody waits for it to be over: what a test waits for is polled for.
pub(super) fn pause(lasts: Duration) {
    std::thread::sleep(lasts);
}
