//! What the network does: the deeds that a proxy is made to do.

use std::time::{Duration, Instant};

use super::books::ACCOUNTS;
use super::nemesis::{Deed, pause};
use crate::proxy::{Fault, Proxy, Trigger};

/// How long somebody is waited for who does what is to be struck. All of it is done all the time.
const LOOK: Duration = Duration::from_secs(20);

/// The one that is struck is one of the next few.
const NTH: std::ops::RangeInclusive<u64> = 1..=5;

/// How long nobody gets in, or an answer is kept back, in milliseconds.
const MOMENT_MS: std::ops::Range<u64> = 50..300;

/// What a round holds of these: most of all COMMITs, since only theirs can be unknown.
const DECK: [Deed; 16] = [
    Deed::CutBeforeCommit,
    Deed::CutBeforeCommit,
    Deed::CutBeforeCommit,
    Deed::CutAfterCommit,
    Deed::CutAfterCommit,
    Deed::CutAfterCommit,
    Deed::CutAfterCommit,
    Deed::CutAtSavepoint,
    Deed::CutAtSavepoint,
    Deed::CutAtSavepoint,
    Deed::CutAtStatement,
    Deed::CutAtStatement,
    Deed::CutAtRow,
    Deed::CutAll,
    Deed::Refuse,
    Deed::SwallowCommit,
];

/// What a round holds where there are a server and a network.
pub(super) fn deck_of_a_server() -> Vec<Deed> {
    let servers = [
        Deed::KillOne,
        Deed::KillOne,
        Deed::KillInCommit,
        Deed::KillInCommit,
        Deed::KillAll,
        Deed::Crash,
        Deed::Restart,
        Deed::Freeze,
        Deed::ReadOnly,
        Deed::HoldLocks,
        Deed::NoRoom,
        Deed::Dispose,
    ];
    [&servers[..], &DECK].concat()
}

/// Does it; `None` where it is nothing that a network does.
pub(super) fn strike(proxy: &Proxy, deed: Deed, random: &mut fastrand::Rng) -> Option<bool> {
    proxy.take_log(); // nobody reads it, and an hour of it would be large
    let moment = Duration::from_millis(random.u64(MOMENT_MS));
    let reset = random.bool();
    let before = if reset { Fault::ResetBefore } else { Fault::CutBefore };
    let after = if reset { Fault::ResetAfter } else { Fault::CutAfter };
    let either = if random.bool() { before.clone() } else { after.clone() };
    let (trigger, fault) = match deed {
        Deed::CutBeforeCommit => (Trigger::Commit, before),
        Deed::CutAfterCommit => (Trigger::Commit, after),
        Deed::SwallowCommit => (Trigger::Commit, Fault::Swallow),
        Deed::CutAtSavepoint => {
            let triggers = [Trigger::Savepoint, Trigger::Release, Trigger::RollbackTo];
            (triggers[random.usize(..triggers.len())], either)
        }
        Deed::CutAtStatement => {
            let triggers = [Trigger::Statement, Trigger::Begin, Trigger::Rollback];
            (triggers[random.usize(..triggers.len())], either)
        }
        Deed::CutAtRow => {
            let row = random.u64(1..=ACCOUNTS.unsigned_abs());
            (Trigger::Row(row), either)
        }
        Deed::CutAll => {
            proxy.cut_all();
            return Some(true);
        }
        Deed::Refuse => {
            proxy.refuse(true);
            proxy.cut_all();
            pause(moment);
            proxy.refuse(false);
            return Some(true);
        }
        _ => return None,
    };
    let fired = proxy.fired();
    proxy.when(trigger).nth(random.u64(NTH)).then(fault);
    let begun = Instant::now();
    while proxy.fired() == fired && begun.elapsed() < LOOK {
        pause(Duration::from_millis(1));
    }
    let hit = proxy.fired() > fired;
    proxy.behave();
    if deed == Deed::SwallowCommit {
        pause(moment);
        proxy.release();
    }
    Some(hit)
}
