//! The levels of a transaction and their ends: who may begin one, and what commit, release and rollback do beside what the
//! server is told.
//!
//! [`stage`](super::stage) puts them around the closures that users write.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use aludel_core::{Dialect, Error, Fault, Outcome, Result};

use super::stage::{self, Asked, Entry, Failure};
use super::{Footing, own_fault};
use crate::connection::Connection;

/// What a transaction runs on: a bare connection, or a session with its objects.
pub(crate) trait Unit: Sized {
    /// Type of the raw connection.
    type Raw: Dialect;

    /// The connection.
    fn connection(&mut self) -> &mut Connection<Self::Raw>;

    /// Writes what is pending.
    fn flush(&mut self) -> Result<()>;

    /// What is pending and would be written by a flush, in words.
    fn pending(&self) -> Option<String>;

    /// Something has happened to the transaction; objects and hooks follow.
    fn follow(&mut self, change: Change);

    /// Another one of the same engine, for work that is not to share this one's transaction.
    #[track_caller]
    fn sibling(&mut self) -> Self;
}

/// Who has left with an [`Exit`], or was stopped by a token.
pub(super) const STOPPED: &str = "the caller asked to stop";

/// What has left without an error.
pub(crate) const PANIC: &str = "a panic";

/// What has happened to a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// A root is about to begin.
    Beginning,
    /// The root was committed.
    Committed,
    /// A root that began by itself and has only read was ended to make room for another one.
    Superseded,
    /// The root was rolled back, or is lost, or nobody knows.
    RolledBack,
    /// The caller gives up whatever was waiting for a commit.
    Abandoned,
    /// The savepoint at this depth, counted from 1, was released.
    Released(usize),
    /// The work since the savepoint at this depth was undone.
    RolledBackTo(usize),
}

/// What a level knows of its end.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What decides about a rerun, where it is not the error itself.
    pub(super) decisive: Option<Fault>,
    /// What failed while the level was being ended.
    pub(super) later: Option<Error>,
}

/// An error of ours with what its level knows.
pub(super) fn complete_ours(error: Error, ending: Ending) -> Error {
    let mut error = match &ending.decisive {
        // The refusal of a later statement is not news; what came first is.
        Some(first) if error.is_doomed() && first.is_from_driver() => error.replaced_by(first),
        _ => error,
    };
    if let Some(fault) = &ending.decisive {
        error = error.with_verdict(fault.verdict());
    }
    // What a savepoint on the way had to say of itself is not the whole story any more.
    if matches!(error.outcome(), None | Some(Outcome::RolledBackToSavepoint)) {
        error = error.with_outcome(ending.outcome);
    }
    match ending.later {
        Some(later) => error.with_later(later),
        None => error,
    }
}

/// A whole transaction, or a part of the one that somebody has begun explicitly.
#[track_caller]
pub(crate) fn begin<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    begin_as(unit, Asked::default(), f)
}

/// The same, with what was asked for this transaction alone.
#[track_caller]
pub(crate) fn begin_as<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    asked: Asked,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let entry = Entry::of(stand(unit, asked)?, asked);
    stage::within(unit, entry, f).map_err(|failure| {
        if failure.commit_unknown {
            unit.follow(Change::Abandoned);
        }
        failure.into_error()
    })
}

/// Whether the caller of `begin` is the outermost one, once what began by itself is out of the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// There is no transaction; the caller begins one and ends it.
    Outermost,
    /// Somebody else will end it.
    Joined,
    /// A test transaction stands around it, which is never committed: a savepoint plays the transaction's part, so that
    /// one that fails does not spoil the rest of the test.
    Tested,
}

/// Who has begun the transaction that the caller would be a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// There is none, or one that began by itself and has only read.
    Nobody,
    /// Somebody will end it.
    Somebody,
    /// A test has, and nothing stands between it and the caller: nobody, for the program that is tested.
    Test,
}

/// See [`Begun`]; nothing is ended and nothing sent.
///
/// # Errors
///
/// When a transaction that began by itself has work in it that the caller would have to end.
pub(crate) fn begun<U: Unit>(unit: &mut U, place: &'static Location<'static>) -> Result<Begun> {
    unit.connection().refuse_if_cancelled()?;
    let footing = unit.connection().footing();
    if matches!(footing, Footing::Explicit) {
        let tested = unit.connection().transaction.is_tested();
        return Ok(if tested { Begun::Test } else { Begun::Somebody });
    }
    refuse_unfinished(unit, &footing, place)?;
    Ok(Begun::Nobody)
}

/// See [`Stand`].
///
/// # Errors
///
/// When a transaction that began by itself has work in it that the call would have to end; in AUTOCOMMIT; and when the
/// transaction to be joined is not what is asked for.
#[track_caller]
pub(crate) fn stand<U: Unit>(unit: &mut U, asked: Asked) -> Result<Stand> {
    stand_at(unit, asked, Location::caller())
}

/// The same, for a caller who is behind a `dyn`, where nobody can tell its place.
pub(crate) fn stand_at<U: Unit>(unit: &mut U, asked: Asked, place: &'static Location<'static>) -> Result<Stand> {
    let own = asked.own;
    unit.connection().refuse_if_cancelled()?;
    let footing = unit.connection().footing();
    if matches!(footing, Footing::Explicit) {
        unit.connection().refuse_to_join(own)?;
        // A test transaction has no COMMIT that could go unanswered.
        if asked.wish.verified == Some(true) && !unit.connection().transaction.is_test() {
            unit.connection().verify_from_now_on()?;
        }
        return Ok(if unit.connection().transaction.is_tested() {
            Stand::Tested
        } else {
            Stand::Joined
        });
    }
    unit.connection().refuse_in_autocommit("begin or #[retry]", own)?;
    refuse_unfinished(unit, &footing, place)?;
    match footing {
        Footing::Autocommit => {
            unit.connection().make_room_in_autocommit();
            unit.follow(Change::Superseded);
        }
        Footing::AutobegunRead => end_read_root(unit),
        _ => {}
    }
    Ok(Stand::Outermost)
}

/// Another session commits, which nothing does in a test.
pub(crate) fn refuse_aside<U: Unit>(unit: &mut U) -> Result<()> {
    if !unit.connection().transaction.is_test() {
        return Ok(());
    }
    Err(Error::misuse(
        "a session of its own was asked for inside a test transaction, of which it would see nothing, and what it writes \
         would stay after the test; test this on a database that may be written to",
    ))
}

/// What is nobody's to end but the caller's.
fn refuse_unfinished<U: Unit>(unit: &mut U, footing: &Footing, place: &'static Location<'static>) -> Result<()> {
    if let Some(pending) = unit.pending() {
        return Err(Error::transaction_already_open_at(&pending, place));
    }
    match footing {
        Footing::AutobegunWritten(first_write) => Err(Error::transaction_already_open_at(first_write, place)),
        _ => Ok(()),
    }
}

/// One that began by itself and has only read makes room.
pub(super) fn end_read_root<U: Unit>(unit: &mut U) {
    unit.connection().end_read_root();
    unit.follow(Change::Superseded);
}

/// Ends a level. Values of the user's are compared and written here, and people look on: where one of them panics the level is
/// given up, so that nobody finds it open who has not begun it.
pub(super) fn ends<U: Unit, T>(unit: &mut U, end: impl FnOnce(&mut U) -> T, give_up: impl FnOnce(&mut U)) -> T {
    // Unwind safety: whatever state a panic leaves behind is thrown away with the transaction.
    match catch_unwind(AssertUnwindSafe(|| end(unit))) {
        Ok(ended) => ended,
        Err(payload) => {
            give_up(unit);
            resume_unwind(payload)
        }
    }
}

/// Ends a root that a panic has kept from its end, unless it had got there.
pub(super) fn give_up_root<U: Unit>(unit: &mut U) {
    if unit.connection().transaction.is_open() {
        exit(unit, PANIC);
        unit.connection().rollback_root();
        unit.follow(Change::RolledBack);
    }
}

/// The same for the savepoint at this depth.
fn give_up_savepoint<U: Unit>(unit: &mut U, depth: usize) {
    if unit.connection().transaction.depth() >= depth {
        exit(unit, PANIC);
        unit.connection().rollback_to_savepoint();
        unit.follow(Change::RolledBackTo(depth));
    }
}

/// Rolls the root back.
pub(crate) fn rollback<U: Unit>(unit: &mut U) -> Option<Error> {
    let roll_back = |unit: &mut U| {
        let later = unit.connection().rollback_root();
        unit.follow(Change::RolledBack);
        later
    };
    ends(unit, roll_back, give_up_root)
}

/// Flushes and commits the root.
pub(crate) fn commit<U: Unit>(unit: &mut U) -> Result<()> {
    ends(unit, commit_now, give_up_root)
}

fn commit_now<U: Unit>(unit: &mut U) -> Result<()> {
    if let Err(error) = flush_for_commit(unit) {
        if error.is_exit() {
            exit(unit, STOPPED);
            rollback(unit);
            return Err(error);
        }
        unit.connection().settle();
        let decisive = unit.connection().transaction.decisive_fault().cloned();
        let later = rollback(unit);
        let ending = ending(unit, Outcome::RolledBack, decisive, later);
        return Err(complete_ours(error, ending));
    }
    match unit.connection().commit_root() {
        Ok(()) => {
            unit.follow(Change::Committed);
            Ok(())
        }
        Err(error) => {
            // Objects and hooks follow what has really happened, once it is known.
            let error = match unit.connection().resolve_unknown(error) {
                Ok(()) => {
                    unit.follow(Change::Committed);
                    return Ok(());
                }
                Err(error) => error,
            };
            unit.follow(Change::RolledBack);
            if unit.connection().transaction.partly_committed && !error.is_commit_unknown() {
                return Err(error.with_outcome(Outcome::Committed));
            }
            Err(error)
        }
    }
}

/// What an error is completed with: `undone` is what the scope has asked for, which a lost root, or a part that was
/// committed on the way, may have made untrue.
pub(super) fn ending<U: Unit>(unit: &mut U, undone: Outcome, decisive: Option<Fault>, later: Option<Error>) -> Ending {
    let transaction = &unit.connection().transaction;
    let outcome = match (&decisive, transaction.root_doom()) {
        _ if transaction.partly_committed => Outcome::Committed,
        (_, Some(cause)) => cause.outcome(),
        (Some(cause), None) if undone == Outcome::RolledBack => cause.outcome(),
        _ => undone,
    };
    Ending {
        outcome,
        decisive,
        later,
    }
}

/// A transaction that has failed is not flushed into; its COMMIT will say why.
fn flush_for_commit<U: Unit>(unit: &mut U) -> Result<()> {
    unit.connection().settle();
    if unit.connection().transaction.doom().is_some() {
        return Ok(());
    }
    unit.flush()
}

/// A savepoint around the closure.
pub(crate) fn begin_nested<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    stage::within(unit, Entry::Nested, f).map_err(Failure::into_error)
}

/// Sets a savepoint behind what is pending, beginning a root where there is none.
pub(super) fn set_savepoint<U: Unit>(unit: &mut U) -> Result<()> {
    unit.connection().settle();
    if !unit.connection().in_transaction() {
        unit.connection().refuse_to_autobegin_in_autocommit("begin_nested")?;
        unit.follow(Change::Beginning);
    }
    unit.flush()?;
    unit.connection().set_savepoint()
}

/// A part that failed half-way must not be committed by an owner who does not look, so it dooms the innermost level; whoever
/// wants to survive it calls it in a `begin_nested` of its own.
pub(super) fn doom_joined<U: Unit>(unit: &mut U) {
    unit.connection().settle();
    let transaction = &mut unit.connection().transaction;
    let cause = transaction.decisive_fault().cloned().unwrap_or_else(|| {
        own_fault("a function that had joined the transaction returned an error, and its part is unfinished")
    });
    transaction.doom_innermost(&cause);
}

/// Flushes into the savepoint and keeps it.
pub(crate) fn release<U: Unit>(unit: &mut U, depth: usize) -> Result<()> {
    ends(
        unit,
        |unit| release_now(unit, depth),
        |unit| give_up_savepoint(unit, depth),
    )
}

fn release_now<U: Unit>(unit: &mut U, depth: usize) -> Result<()> {
    let flushed = flush_for_commit(unit);
    if let Err(error) = flushed {
        if error.is_exit() {
            exit(unit, STOPPED);
            rollback_to(unit, depth);
            return Err(error);
        }
        let decisive = unit.connection().transaction.decisive_fault().cloned();
        let later = rollback_to(unit, depth);
        let ending = ending(unit, Outcome::RolledBackToSavepoint, decisive, later);
        return Err(complete_ours(error, ending));
    }
    match unit.connection().release_savepoint() {
        Ok(()) => {
            unit.follow(Change::Released(depth));
            Ok(())
        }
        Err(error) => {
            unit.follow(Change::RolledBackTo(depth));
            Err(error)
        }
    }
}

/// Undoes what came after the savepoint.
pub(crate) fn rollback_to<U: Unit>(unit: &mut U, depth: usize) -> Option<Error> {
    let roll_back = |unit: &mut U| {
        let later = unit.connection().rollback_to_savepoint();
        unit.follow(Change::RolledBackTo(depth));
        later
    };
    ends(unit, roll_back, |unit| give_up_savepoint(unit, depth))
}

/// Somebody left in the middle; see [`Connection::left_in_the_middle`].
pub(crate) fn exit<U: Unit>(unit: &mut U, reason: &str) {
    unit.connection().left_in_the_middle(reason);
}
