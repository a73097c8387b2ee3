//! The levels of a transaction and their ends: who may begin one, and what commit, release and rollback do beside what the
//! server is told.
//!
//! [`stage`](super::stage) puts them around the closures that users write.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use aludel_core::dialect::Characteristics;
use aludel_core::{Dialect, Error, Fault, Outcome, Result};

use super::stage::{self, Asked, Entry, Failure};
use super::{Footing, Origin, own_fault};
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

    /// COMMIT is about to be sent for the root, unless this fails; it may write.
    fn before_commit(&mut self) -> Result<()>;

    /// RELEASE is about to be sent for the savepoint at this depth.
    fn before_release(&mut self, depth: usize);

    /// Something has happened to the transaction; objects, hooks and listeners follow.
    fn follow(&mut self, change: Change);

    /// Another one of the same engine, for work that is not to share this one's transaction.
    #[track_caller]
    fn sibling(&mut self) -> Self;
}

/// Who has left with an [`Exit`](aludel_core::Exit), or was stopped by a token.
pub(super) const STOPPED: &str = "the caller asked to stop";

/// What has left without an error.
pub(crate) const PANIC: &str = "a panic";

/// What has happened to a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// A root is about to begin.
    Beginning,
    /// It could not be begun.
    NotBegun,
    /// It has begun.
    Begun,
    /// The root was committed.
    Committed,
    /// A root that began by itself and has only read was ended to make room for another one.
    Superseded,
    /// The root was rolled back, or is lost.
    RolledBack,
    /// The root has ended, and nobody knows how, or only a part of it was rolled back.
    Unknown,
    /// The caller has rolled the root back, if there was one, and gives up whatever was waiting for a commit.
    Abandoned,
    /// The same, without a word of a rollback: the session ends, or begins from nothing.
    Closed,
    /// The caller gives up whatever was waiting for a commit, and there may have been one.
    Forgotten,
    /// The savepoint at this depth, counted from 1, was set.
    Savepoint(usize),
    /// It was released.
    Released(usize),
    /// The work since the savepoint at this depth was undone.
    RolledBackTo(usize),
}

impl Change {
    /// How many savepoints are open afterwards, where so many were before.
    pub(crate) fn depth_after(self, before: u32) -> u32 {
        let number = |depth: usize| u32::try_from(depth).expect("nobody sets so many savepoints in each other");
        match self {
            Self::NotBegun | Self::Begun => before,
            Self::Savepoint(depth) => number(depth),
            Self::Released(depth) | Self::RolledBackTo(depth) => number(depth).saturating_sub(1),
            Self::Beginning
            | Self::Committed
            | Self::Superseded
            | Self::RolledBack
            | Self::Unknown
            | Self::Abandoned
            | Self::Closed
            | Self::Forgotten => 0,
        }
    }
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
            unit.follow(Change::Forgotten);
        }
        failure.into_error()
    })
}

/// Commits for somebody who is in no scope, and gives up what waits for a commit where that fails.
pub(crate) fn commit_alone<U: Unit>(unit: &mut U) -> Result<()> {
    commit(unit).inspect_err(|error| {
        let partly = unit.connection().transaction.partly_committed;
        give_up(unit, partly || error.is_commit_unknown());
    })
}

/// Whatever waits for a commit waits in vain. Where there may have been one, or one of a part, nobody is told either way.
fn give_up<U: Unit>(unit: &mut U, unknown: bool) {
    unit.follow(if unknown { Change::Forgotten } else { Change::Abandoned });
}

/// Rolls back for somebody who is in no scope, and gives up what waits for a commit.
pub(crate) fn rollback_alone<U: Unit>(unit: &mut U) {
    let roll_back = |unit: &mut U| {
        let transaction = &unit.connection().transaction;
        let partly = transaction.is_open() && transaction.partly_committed;
        unit.connection().rollback_root();
        give_up(unit, partly);
    };
    ends(unit, roll_back, give_up_root);
}

/// Whether the caller of `begin` is the outermost one, once what began by itself is out of the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// There is no transaction; the caller begins one and ends it.
    Outermost,
    /// Somebody else will end it.
    Joined,
    /// Somebody else's transaction stands around all that the caller could begin: it begins and ends its own part, and does
    /// not run again.
    Guest,
}

/// Who has begun the transaction that the caller would be a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// There is none, or one that began by itself and has only read.
    Nobody,
    /// Somebody will end it.
    Somebody,
    /// A test has, and nothing of the session's stands between it and the caller: nobody, for the program that is tested.
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
        return Ok(Begun::Somebody);
    }
    if !is_fixture(unit, &footing) {
        refuse_unfinished(unit, &footing, place)?;
    }
    let connection = unit.connection();
    Ok(match connection.is_guest() {
        true if connection.is_in_a_test() => Begun::Test,
        // Of somebody who will commit it or not.
        true => Begun::Somebody,
        false => Begun::Nobody,
    })
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
        if asked.wish.verified == Some(true) {
            unit.connection().verify_from_now_on()?;
        }
        return Ok(Stand::Joined);
    }
    unit.connection().refuse_in_autocommit("begin or #[retry]", own)?;
    let begins = if unit.connection().is_guest() {
        Stand::Guest
    } else {
        Stand::Outermost
    };
    if is_fixture(unit, &footing) {
        commit_alone(unit)?;
        return Ok(begins);
    }
    refuse_unfinished(unit, &footing, place)?;
    match footing {
        Footing::Autocommit => {
            unit.connection().make_room_in_autocommit();
            unit.follow(Change::Superseded);
        }
        Footing::AutobegunRead => end_read_root(unit),
        _ => {}
    }
    Ok(begins)
}

/// Whether what the caller has done as one goes was done in a test transaction, where it is in nobody's way.
fn is_fixture<U: Unit>(unit: &mut U, footing: &Footing) -> bool {
    let written = matches!(footing, Footing::AutobegunWritten(_)) || unit.pending().is_some();
    let transaction = &unit.connection().transaction;
    written && transaction.is_lenient() && !transaction.in_scope()
}

/// Another session commits, which nothing does in a test.
pub(crate) fn refuse_aside<U: Unit>(unit: &mut U) -> Result<()> {
    if !unit.connection().is_in_a_test() {
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
        let change = undone(unit);
        unit.follow(change);
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
        let change = undone(unit);
        unit.follow(change);
        later
    };
    ends(unit, roll_back, give_up_root)
}

/// What a ROLLBACK comes to: of a transaction that was committed in part, not even that it was rolled back.
fn undone<U: Unit>(unit: &mut U) -> Change {
    if unit.connection().transaction.partly_committed {
        Change::Unknown
    } else {
        Change::RolledBack
    }
}

/// Flushes and commits the root.
pub(crate) fn commit<U: Unit>(unit: &mut U) -> Result<()> {
    ends(unit, commit_now, give_up_root)
}

fn commit_now<U: Unit>(unit: &mut U) -> Result<()> {
    if let Err(error) = prepare(unit) {
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
            let change = if error.is_commit_unknown() {
                Change::Unknown
            } else {
                undone(unit)
            };
            unit.follow(change);
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

/// The last that is written before COMMIT.
fn prepare<U: Unit>(unit: &mut U) -> Result<()> {
    unit.connection().settle();
    if unit.connection().transaction.doom().is_none() {
        unit.before_commit()?;
    }
    flush_for_commit(unit)
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
    let begins = !unit.connection().in_transaction();
    if begins {
        unit.connection().refuse_to_autobegin_in_autocommit("begin_nested")?;
        unit.follow(Change::Beginning);
        // Somebody has asked for it, so also where nothing begins by itself.
        let begun = unit
            .connection()
            .begin_root(Origin::Autobegun, Characteristics::default());
        unit.follow(if begun.is_ok() { Change::Begun } else { Change::NotBegun });
        begun?;
    }
    unit.flush()?;
    unit.connection().set_savepoint()?;
    let depth = unit.connection().transaction.depth();
    unit.follow(Change::Savepoint(depth));
    Ok(())
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
    unit.before_release(depth);
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
