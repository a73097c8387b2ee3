//! A closure around which there is no transaction, because its author wants none: each of its statements stands for itself.
//!
//! The session keeps its own options. What stands in front of them while the closure runs is
//! [`autocommit_around`](crate::connection::Connection::autocommit_around); a transaction that somebody begins inside is
//! a real one, with the level that the session has.

use aludel_core::dialect::Characteristics;
use aludel_core::{Error, ExecutionOptions, IsolationLevel};

use super::Footing;
use super::scope::{self, Change, PANIC, STOPPED, Unit};
use super::stage::{Failed, Way};

/// Enters it; answers what stood around before and is to be put back.
pub(super) fn enter<U: Unit>(unit: &mut U, own: Characteristics) -> Option<Characteristics> {
    if unit.connection().footing() == Footing::AutobegunRead {
        scope::end_read_root(unit);
    }
    unit.connection().stopped = false;
    // Hooks that were registered before wait for a commit that is none of this closure's.
    unit.follow(Change::Beginning);
    let autocommit = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    surround(unit, Some(autocommit.characteristics().over(own)))
}

/// Leaves it, whichever way.
pub(super) fn leave<U: Unit>(
    unit: &mut U,
    before: Option<Characteristics>,
    way: Way,
) -> std::result::Result<(), Failed> {
    scope::ends(
        unit,
        |unit| {
            let ended = end(unit, way);
            surround(unit, before);
            ended
        },
        |unit| {
            scope::give_up_root(unit);
            surround(unit, before);
        },
    )
}

fn end<U: Unit>(unit: &mut U, way: Way) -> std::result::Result<(), Failed> {
    match way {
        Way::Err { exits } if exits || unit.connection().stopped => scope::exit(unit, STOPPED),
        Way::Panic => scope::exit(unit, PANIC),
        Way::Ok | Way::Err { .. } => {}
    }
    unit.connection().settle();
    let left_open = unit.connection().in_transaction();
    if left_open {
        scope::rollback(unit);
    }
    let ended = match way {
        Way::Ok if left_open => Err(Failed::ours(Error::misuse(
            "a transaction was left open by a function that runs in AUTOCOMMIT, and it was rolled back; end it where it \
             was begun",
        ))),
        // What is pending is refused: nobody else would write it.
        Way::Ok => unit.flush().map_err(Failed::ours),
        Way::Err { .. } | Way::Panic => Err(Failed::untouched()),
    };
    // What was written stays, whatever the function has answered; only what could not be written is undone.
    let undone = ended.is_err() && unit.pending().is_some();
    unit.follow(if undone { Change::RolledBack } else { Change::Superseded });
    ended
}

/// Changes what stands around, and ends what never was a transaction.
fn surround<U: Unit>(unit: &mut U, around: Option<Characteristics>) -> Option<Characteristics> {
    let connection = unit.connection();
    let wanted = connection.wanted();
    let before = std::mem::replace(&mut connection.autocommit_around, around);
    if connection.wanted() != wanted {
        connection.end_autocommit("AUTOCOMMIT is left for other options");
    }
    before
}
