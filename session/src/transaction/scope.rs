//! The closures that users write: `begin`, `begin_nested`, and Diesel's `transaction`.
//!
//! Each ends what it began, whichever way its closure leaves: with `Ok`, with an error, with an [`Exit`], by a panic.
//! The first error stays the error.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aludel_core::dialect::Characteristics;
use aludel_core::{Class, Dialect, Error, Exit, Fault, Outcome, Result};

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

    /// Something has happened to the transaction; objects and hooks follow.
    fn follow(&mut self, change: Change);
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

/// What a scope knows of its end.
#[derive(Debug)]
struct Ending {
    outcome: Outcome,
    /// What decides about a rerun, where it is not the error itself.
    decisive: Option<Fault>,
    /// What failed while the scope was being ended.
    later: Option<Error>,
}

/// Why a root was not committed, for those who may run it again.
#[derive(Debug)]
pub(crate) struct Failure<E> {
    /// What the caller gets.
    pub(crate) error: E,
    /// What the session saw, whatever the closure has made of it.
    pub(crate) class: Class,
    /// The first cause, in the driver's words.
    pub(crate) cause: String,
    /// COMMIT was sent, its answer never came.
    pub(crate) commit_unknown: bool,
    /// No transaction had begun: nothing was tried that could count as an attempt.
    pub(crate) not_begun: bool,
}

impl<E: From<Error> + 'static> Failure<E> {
    fn of_ours(error: Error) -> Self {
        Self {
            class: error.class(),
            cause: error.first_cause(),
            commit_unknown: error.is_commit_unknown(),
            not_begun: error.outcome() == Some(Outcome::NotBegun),
            error: E::from(error),
        }
    }
}

/// Changes an error of ours; one of the user's own type stays as it is.
pub(crate) fn map_ours<E: 'static>(error: E, change: impl FnOnce(Error) -> Error) -> E {
    let mut slot = Some(error);
    if let Some(ours) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Error>>() {
        *ours = ours.take().map(change);
    }
    slot.expect("it was filled above, and what is taken out is put back")
}

fn complete_ours(error: Error, ending: Ending) -> Error {
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

/// Whether the caller asked to stop. A boxed error is looked into; another type of the user's own cannot be.
fn is_exit<E: 'static>(error: &E) -> bool {
    let error = error as &dyn Any;
    if let Some(boxed) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        return boxed.is::<Exit>() || boxed.downcast_ref::<Error>().is_some_and(Error::is_exit);
    }
    error.downcast_ref::<Error>().is_some_and(Error::is_exit)
}

/// A whole transaction, or a part of the one that somebody has begun explicitly.
#[track_caller]
pub(crate) fn begin<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    begin_own(unit, Characteristics::default(), f)
}

/// The same, with characteristics that were asked for this transaction alone.
#[track_caller]
pub(crate) fn begin_own<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    own: Characteristics,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    match stand(unit, own)? {
        Stand::Joined => join(unit, f),
        Stand::Tested => begin_nested(unit, f),
        Stand::Outermost => outermost(unit, own, f).map_err(|failure| {
            if failure.commit_unknown {
                unit.follow(Change::Abandoned);
            }
            failure.error
        }),
    }
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

/// See [`Stand`].
///
/// # Errors
///
/// When a transaction that began by itself has work in it that the call would have to end; in AUTOCOMMIT; and when the
/// transaction to be joined is not what is asked for.
#[track_caller]
pub(crate) fn stand<U: Unit>(unit: &mut U, own: Characteristics) -> Result<Stand> {
    unit.connection().refuse_if_cancelled()?;
    let footing = unit.connection().footing();
    if matches!(footing, Footing::Explicit) {
        unit.connection().refuse_to_join(own)?;
        let wish = std::mem::take(&mut unit.connection().wish);
        // A test transaction has no COMMIT that could go unanswered.
        if wish.verified == Some(true) && !unit.connection().transaction.is_test() {
            unit.connection().verify_from_now_on()?;
        }
        let transaction = &unit.connection().transaction;
        let outermost = transaction.depth() == 0 && !transaction.in_scope();
        return Ok(if transaction.is_test() && outermost {
            Stand::Tested
        } else {
            Stand::Joined
        });
    }
    unit.connection().refuse_in_autocommit("begin or #[retry]", own)?;
    if let Some(pending) = unit.pending() {
        return Err(Error::transaction_already_open(&pending));
    }
    match footing {
        Footing::Autocommit => {
            unit.connection().make_room_in_autocommit();
            unit.follow(Change::Superseded);
            Ok(Stand::Outermost)
        }
        Footing::AutobegunWritten(first_write) => Err(Error::transaction_already_open(&first_write)),
        Footing::AutobegunRead => {
            unit.connection().end_read_root();
            unit.follow(Change::Superseded);
            Ok(Stand::Outermost)
        }
        _ => Ok(Stand::Outermost),
    }
}

/// Begins a root, runs the closure, and ends the root.
pub(crate) fn outermost<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    own: Characteristics,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, Failure<E>> {
    unit.follow(Change::Beginning);
    unit.connection()
        .begin_root(Origin::Explicit, own)
        .map_err(Failure::of_ours)?;
    match in_scope(unit, f) {
        // Ok says "committed": never without the transaction that was begun here.
        Left::Ok(_) if !unit.connection().in_transaction() => {
            unit.follow(Change::RolledBack);
            Err(Failure::of_ours(Error::misuse(
                "the transaction that was begun here had ended before its closure did, or another session was put in \
                 the place of the one that was lent",
            )))
        }
        Left::Ok(value) => commit(unit).map(|()| value).map_err(|error| {
            let mut failure = Failure::of_ours(error);
            if unit.connection().transaction.partly_committed {
                if failure.commit_unknown {
                    unit.follow(Change::Abandoned);
                }
                (failure.class, failure.commit_unknown) = (Class::Permanent, false);
            }
            failure
        }),
        Left::Err(error) => {
            let exits = is_exit(&error);
            let stopped = exits || unit.connection().stopped;
            if stopped {
                exit(unit, STOPPED);
            }
            unit.connection().settle();
            let decisive = unit.connection().transaction.decisive_fault().cloned();
            let later = rollback(unit);
            // Who asked to stop is not run again, whatever had gone wrong before; nor what is written in part.
            let class = match &decisive {
                Some(fault) if !stopped && !unit.connection().transaction.partly_committed => fault.verdict().class,
                _ => Class::Permanent,
            };
            let cause = decisive.as_ref().map(ToString::to_string).unwrap_or_default();
            let ending = ending(unit, Outcome::RolledBack, decisive, later);
            let error = if exits {
                error
            } else {
                map_ours(error, |error| complete_ours(error, ending))
            };
            Err(Failure {
                error,
                class,
                cause,
                commit_unknown: false,
                not_begun: false,
            })
        }
        Left::Panic(payload) => {
            exit(unit, PANIC);
            rollback(unit);
            resume_unwind(payload)
        }
    }
}

/// Ends a level. Values of the user's are compared and written here, and people look on: where one of them panics the level is
/// given up, so that nobody finds it open who has not begun it.
fn ends<U: Unit, T>(unit: &mut U, end: impl FnOnce(&mut U) -> T, give_up: impl FnOnce(&mut U)) -> T {
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
fn give_up_root<U: Unit>(unit: &mut U) {
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
fn ending<U: Unit>(unit: &mut U, undone: Outcome, decisive: Option<Fault>, later: Option<Error>) -> Ending {
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

/// Runs the closure inside somebody else's transaction and passes its failure up.
///
/// A part that failed half-way must not be committed by an owner who does not look, so it dooms the innermost level;
/// whoever wants to survive it calls it in a `begin_nested` of its own.
pub(crate) fn join<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    if let Some(cause) = unit.connection().transaction.doom().cloned() {
        return Err(E::from(Error::doomed(cause)));
    }
    match in_scope(unit, f) {
        Left::Ok(value) => Ok(value),
        Left::Err(error) => {
            if is_exit(&error) || unit.connection().stopped {
                exit(unit, STOPPED);
            } else {
                unit.connection().settle();
                let cause = unit
                    .connection()
                    .transaction
                    .decisive_fault()
                    .cloned()
                    .unwrap_or_else(|| {
                        own_fault(
                            "a function that had joined the transaction returned an error, and its part is unfinished",
                        )
                    });
                unit.connection().transaction.doom_innermost(&cause);
            }
            Err(error)
        }
        Left::Panic(payload) => {
            exit(unit, PANIC);
            resume_unwind(payload)
        }
    }
}

/// A savepoint around the closure.
pub(crate) fn begin_nested<U: Unit, T, E: From<Error> + 'static>(
    unit: &mut U,
    f: impl FnOnce(&mut U) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    unit.connection().settle();
    if !unit.connection().in_transaction() {
        unit.connection()
            .refuse_in_autocommit("begin_nested", Characteristics::default())?;
        unit.follow(Change::Beginning);
    }
    unit.flush()?;
    unit.connection().set_savepoint()?;
    let depth = unit.connection().transaction.depth();
    match in_scope(unit, f) {
        Left::Ok(value) => release(unit, depth).map(|()| value).map_err(E::from),
        Left::Err(error) => {
            if is_exit(&error) || unit.connection().stopped {
                exit(unit, STOPPED);
                rollback_to(unit, depth);
                return Err(error);
            }
            unit.connection().settle();
            let decisive = unit.connection().transaction.decisive_fault().cloned();
            let later = rollback_to(unit, depth);
            let ending = ending(unit, Outcome::RolledBackToSavepoint, decisive, later);
            Err(map_ours(error, |error| complete_ours(error, ending)))
        }
        Left::Panic(payload) => {
            exit(unit, PANIC);
            rollback_to(unit, depth);
            resume_unwind(payload)
        }
    }
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

/// The three ways out of a closure.
enum Left<T, E> {
    Ok(T),
    Err(E),
    Panic(Box<dyn Any + Send>),
}

fn in_scope<U: Unit, T, E>(unit: &mut U, f: impl FnOnce(&mut U) -> std::result::Result<T, E>) -> Left<T, E> {
    unit.connection().transaction.scopes += 1;
    // Unwind safety: whatever state a panic leaves behind is thrown away with the transaction and the connection.
    let result = catch_unwind(AssertUnwindSafe(|| f(unit)));
    // A closure can put another session in the place of the lent one, which is in no scope.
    let transaction = &mut unit.connection().transaction;
    transaction.scopes = transaction.scopes.saturating_sub(1);
    match result {
        Ok(Ok(value)) => Left::Ok(value),
        Ok(Err(error)) => Left::Err(error),
        Err(payload) => Left::Panic(payload),
    }
}

/// Somebody left in the middle; see [`Connection::left_in_the_middle`].
pub(crate) fn exit<U: Unit>(unit: &mut U, reason: &str) {
    unit.connection().left_in_the_middle(reason);
}
