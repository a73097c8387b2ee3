//! What closures of users run on, and how a level of a transaction is entered and left around them.
//!
//! A session is entered, its closure runs with it in hand, and it is left: [`within`] does all three. An ambient session is
//! borrowed only to enter and to leave, and its function runs with nothing borrowed; so the two halves are functions of
//! their own, and what connects them is a [`Frame`].
//!
//! Each level is ended by whoever entered it, whichever way its closure is left: with `Ok`, with an error, with an [`Exit`],
//! by a panic. The first error stays the error.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use aludel_core::classify::Verdict;
use aludel_core::clock::Clock;
use aludel_core::dialect::Characteristics;
use aludel_core::retry::Retries;
use aludel_core::{CancelToken, Class, Dialect, Error, Event, Exit, Fault, Flavour, Outcome, Result, RetryPolicy};

use super::scope::{self, Begun, Change, Ending, PANIC, STOPPED, Stand, Unit};
use super::{Origin, autocommit, own_fault};
use crate::connection::DoneBy;
use crate::once::{Claim, OnceKey};
use crate::verification::Wish;

/// What is wanted of one transaction, beyond what its session has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Isolation level and mode.
    pub(crate) own: Characteristics,
    /// Whether its COMMIT can be verified.
    pub(crate) wish: Wish,
    /// It keeps a result under a key, and so needs the table for them.
    pub(crate) keeps_result: bool,
    /// It takes SQLite's write lock at once.
    pub(crate) immediate: bool,
    /// Nobody waits for it beyond this: neither for a connection, nor for what its statements answer.
    pub(crate) done_by: Option<DoneBy>,
}

impl Asked {
    /// Refuses what no transaction can have, or none of this database.
    ///
    /// # Errors
    ///
    /// When the database does not have it, and where it is not a transaction at all.
    pub(crate) fn check(&self, flavour: Flavour) -> Result<()> {
        if self.own.is_autocommit() {
            return Err(Error::misuse(
                "AUTOCOMMIT was asked for a transaction, and is the absence of one; use it with execution_options",
            ));
        }
        self.own.check(flavour)
    }
}

/// How a transaction is entered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// As a root, which is committed at the end.
    Root(Asked),
    /// As a part of what somebody else will end.
    Join,
    /// In a savepoint.
    Nested,
    /// As statements that stand for themselves, with this mode.
    Autocommit(Characteristics),
}

impl Entry {
    /// What follows from where the caller stands.
    pub(crate) fn of(stand: Stand, asked: Asked) -> Self {
        match stand {
            Stand::Outermost | Stand::Guest => Self::Root(asked),
            Stand::Joined => Self::Join,
        }
    }
}

/// A level that was entered and is to be left by the same caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a level that was entered has to be left"]
pub(crate) struct Frame {
    level: Level,
    /// How many scopes were open once it was entered: it is the innermost while there are as many.
    pub(super) scopes: usize,
}

impl Frame {
    /// Ends what was entered, and whatever was left open on top of it, where that is not as it should be.
    pub(crate) fn give_up<U: Unit>(self, unit: &mut U) {
        unit.connection().transaction.scopes = self.scopes.saturating_sub(1);
        match self.level {
            Level::Root => {
                scope::rollback(unit);
            }
            Level::Joined | Level::Nested(_) => {
                let fault = own_fault("other levels were open at the end of a part of it than at its beginning");
                unit.connection().transaction.doom_root(&fault);
            }
            Level::Autocommit(before) => {
                let _ = autocommit::leave(unit, before, Way::Err { exits: false });
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Root,
    Joined,
    /// The savepoint at this depth, counted from 1.
    Nested(usize),
    /// No transaction; with what stood around before.
    Autocommit(Option<Characteristics>),
}

/// The three ways out of a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With a value.
    Ok,
    /// With an error.
    Err {
        /// It says that the caller wants to stop.
        exits: bool,
    },
    /// By a panic.
    Panic,
}

/// Why a level did not end well, before it meets the closure's own error.
#[derive(Debug)]
pub(crate) struct Failed {
    said: Said,
    /// What the session saw, whatever the closure has made of it.
    class: Class,
    cause: String,
    commit_unknown: bool,
    not_begun: bool,
    timed_out: bool,
}

#[derive(Debug)]
enum Said {
    /// An error of ours, of entering or of ending the level.
    Ours(Error),
    /// The closure's own, with what the level knows of its end.
    Theirs(Ending),
    /// The closure's own as it is.
    Untouched,
}

/// Why a level did not end well, for those who may run its closure again.
#[derive(Debug)]
pub(crate) struct Failure<E> {
    /// What the caller gets.
    pub(crate) answer: Answer<E>,
    /// What the session saw, whatever the closure has made of it.
    pub(crate) class: Class,
    /// The first cause, in the driver's words.
    pub(crate) cause: String,
    /// COMMIT was sent, its answer never came.
    pub(crate) commit_unknown: bool,
    /// No transaction had begun: nothing was tried that could count as an attempt.
    pub(crate) not_begun: bool,
    /// Its time was over: the server has cut a statement short, or the pool had no connection until then.
    pub(crate) timed_out: bool,
}

/// An error for the caller. Ours becomes one of the caller's type at the very end, since nothing can be added to it then.
#[derive(Debug)]
pub(crate) enum Answer<E> {
    /// Of entering or of ending the level.
    Ours(Error),
    /// The closure's, which may be one of ours as well.
    Theirs(E),
}

impl<E: From<Error> + 'static> Answer<E> {
    /// The error, changed where it is one of ours.
    pub(crate) fn into_error(self, change: impl FnOnce(Error) -> Error) -> E {
        match self {
            Self::Ours(error) => E::from(change(error)),
            Self::Theirs(error) => map_ours(error, change),
        }
    }
}

impl<E: From<Error> + 'static> Failure<E> {
    /// What the caller gets.
    pub(crate) fn into_error(self) -> E {
        self.answer.into_error(|error| error)
    }
}

impl Failed {
    pub(crate) fn ours(error: Error) -> Self {
        Self {
            class: error.class(),
            cause: error.first_cause(),
            commit_unknown: error.is_commit_unknown(),
            not_begun: error.outcome() == Some(Outcome::NotBegun),
            timed_out: error.is_pool_timeout() || error.verdict().is_some_and(Verdict::is_statement_timeout),
            said: Said::Ours(error),
        }
    }

    /// What was found wrong beside the closure's own end; its error stays the first one.
    pub(crate) fn beside(way: Way, error: Error) -> Self {
        match way {
            Way::Err { .. } => Self::theirs(Said::Theirs(Ending {
                outcome: Outcome::RolledBack,
                decisive: None,
                later: Some(error),
            })),
            Way::Ok | Way::Panic => Self::ours(error.with_outcome(Outcome::RolledBack)),
        }
    }

    /// The closure's error goes on as it is.
    pub(super) fn untouched() -> Self {
        Self::theirs(Said::Untouched)
    }

    fn theirs(said: Said) -> Self {
        Self {
            said,
            class: Class::Permanent,
            cause: String::new(),
            commit_unknown: false,
            not_begun: false,
            timed_out: false,
        }
    }

    /// With the error that the closure has answered, if it has.
    fn with<E: From<Error> + 'static>(self, theirs: Option<E>) -> Failure<E> {
        const ANSWERED: &str = "only a closure that has answered an error is left with one";
        let answer = match self.said {
            Said::Ours(error) => Answer::Ours(error),
            Said::Theirs(ending) => {
                let complete = |error| scope::complete_ours(error, ending);
                Answer::Theirs(map_ours(theirs.expect(ANSWERED), complete))
            }
            Said::Untouched => Answer::Theirs(theirs.expect(ANSWERED)),
        };
        Failure {
            answer,
            class: self.class,
            cause: self.cause,
            commit_unknown: self.commit_unknown,
            not_begun: self.not_begun,
            timed_out: self.timed_out,
        }
    }
}

/// What a transaction runs on: a session or connection in the hand, or an ambient session that is borrowed for each call.
pub(crate) trait Stage {
    /// Who has begun the transaction that the caller would be a part of; nothing is ended and nothing sent.
    fn begun(&mut self) -> Result<Begun>;

    /// Whether the caller is the outermost one, once what began by itself is out of the way.
    fn stand(&mut self, asked: Asked) -> Result<Stand>;

    /// Runs the closure on another session of the same engine, which ends with it.
    fn aside<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> Result<R>
    where
        Self: Sized;

    /// Enters a level.
    fn enter(&mut self, entry: Entry) -> Result<Frame>;

    /// Leaves the innermost level; fails unless it was left with `Ok` and that could be kept.
    fn leave(&mut self, frame: Frame, way: Way) -> std::result::Result<(), Failed>;

    /// Writes a key, or answers what is kept under it.
    fn claim(&mut self, key: &OnceKey) -> Result<Claim>;

    /// Writes the result beside its key.
    fn keep(&mut self, key: &OnceKey, result: &str) -> Result<()>;

    /// What went wrong before is decided; a new attempt begins.
    fn forget_faults(&mut self);

    /// Nobody waits for a commit any more, which may have happened.
    fn give_up_hooks(&mut self);

    /// The engine's clock.
    fn clock(&mut self) -> Clock;

    /// Which database it is.
    fn flavour(&self) -> Flavour;

    /// The engine's own policy.
    fn retry_policy(&mut self) -> RetryPolicy;

    /// A transaction that might have run again need not: the engine's budget gets its share.
    fn has_succeeded(&mut self);

    /// What all retries of the engine share.
    fn retries(&mut self) -> Arc<Retries>;

    /// What wakes it while it pauses.
    fn token(&mut self) -> CancelToken;

    /// Tells the engine's listeners.
    fn emit(&mut self, event: &Event<'_>);
}

impl<U: Unit> Stage for U {
    #[track_caller]
    fn begun(&mut self) -> Result<Begun> {
        scope::begun(self, Location::caller())
    }

    #[track_caller]
    fn stand(&mut self, asked: Asked) -> Result<Stand> {
        scope::stand(self, asked)
    }

    #[track_caller]
    fn aside<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> Result<R> {
        scope::refuse_aside(self)?;
        let mut sibling = self.sibling();
        Ok(f(&mut sibling))
    }

    fn enter(&mut self, entry: Entry) -> Result<Frame> {
        let level = match entry {
            Entry::Root(asked) => {
                begin_root(self, asked)?;
                Level::Root
            }
            Entry::Join => match self.connection().transaction.doom().cloned() {
                Some(cause) => return Err(Error::doomed(cause)),
                None => Level::Joined,
            },
            Entry::Nested => {
                scope::set_savepoint(self)?;
                Level::Nested(self.connection().transaction.depth())
            }
            Entry::Autocommit(own) => Level::Autocommit(autocommit::enter(self, own)),
        };
        let transaction = &mut self.connection().transaction;
        transaction.enter_scope();
        let scopes = transaction.scopes;
        Ok(Frame { level, scopes })
    }

    fn leave(&mut self, frame: Frame, way: Way) -> std::result::Result<(), Failed> {
        self.connection().transaction.leave_scope();
        match frame.level {
            Level::Root => leave_root(self, way),
            Level::Joined => leave_joined(self, way),
            Level::Nested(depth) => leave_nested(self, depth, way),
            Level::Autocommit(before) => autocommit::leave(self, before, way),
        }
    }

    fn claim(&mut self, key: &OnceKey) -> Result<Claim> {
        self.flush()?;
        self.connection().claim_key(key)
    }

    fn keep(&mut self, key: &OnceKey, result: &str) -> Result<()> {
        self.flush()?;
        self.connection().keep_result(key, result)
    }

    fn forget_faults(&mut self) {
        self.connection().transaction.forget_faults();
    }

    fn give_up_hooks(&mut self) {
        self.follow(Change::Forgotten);
    }

    fn clock(&mut self) -> Clock {
        self.connection().engine().clock().clone()
    }

    fn flavour(&self) -> Flavour {
        U::Raw::FLAVOUR
    }

    fn retry_policy(&mut self) -> RetryPolicy {
        self.connection().engine().retry_policy()
    }

    #[inline]
    fn has_succeeded(&mut self) {
        self.connection().engine().retries().tokens().earn();
    }

    fn retries(&mut self) -> Arc<Retries> {
        Arc::clone(self.connection().engine().retries())
    }

    fn token(&mut self) -> CancelToken {
        self.connection().cancel_token().clone()
    }

    fn emit(&mut self, event: &Event<'_>) {
        self.connection().engine().emit(event);
    }
}

/// Enters a level, runs the closure, and leaves the level.
#[inline]
pub(crate) fn within<S: Stage, T, E: From<Error> + 'static>(
    stage: &mut S,
    entry: Entry,
    f: impl FnOnce(&mut S) -> std::result::Result<T, E>,
) -> std::result::Result<T, Failure<E>> {
    let frame = stage.enter(entry).map_err(|error| Failed::ours(error).with(None))?;
    // Unwind safety: whatever state a panic leaves behind is thrown away with the transaction and the connection.
    match catch_unwind(AssertUnwindSafe(|| f(stage))) {
        Ok(Ok(value)) => match stage.leave(frame, Way::Ok) {
            Ok(()) => Ok(value),
            Err(failed) => Err(failed.with(None)),
        },
        Ok(Err(error)) => {
            let exits = is_exit(&error);
            let failed = stage.leave(frame, Way::Err { exits });
            Err(failed.err().unwrap_or_else(Failed::untouched).with(Some(error)))
        }
        Err(payload) => {
            // The panic goes on, whatever else there is to say.
            let _ = stage.leave(frame, Way::Panic);
            resume_unwind(payload)
        }
    }
}

/// Begins a root that somebody has asked for.
pub(crate) fn begin_root<U: Unit>(unit: &mut U, asked: Asked) -> Result<()> {
    unit.follow(Change::Beginning);
    let connection = unit.connection();
    // Who writes a key writes in any case, and waits better before it has read anything.
    connection.begin_immediate = asked.immediate || asked.keeps_result;
    connection.wish = Wish {
        keeps_result: asked.keeps_result,
        ..asked.wish
    };
    connection.done_by = asked.done_by;
    let begun = connection.begin_root(Origin::Explicit, asked.own);
    // A wish that no root has used up is nobody's.
    (connection.wish, connection.begin_immediate) = (Wish::default(), false);
    connection.done_by = None;
    unit.follow(if begun.is_ok() { Change::Begun } else { Change::NotBegun });
    begun
}

fn leave_root<U: Unit>(unit: &mut U, way: Way) -> std::result::Result<(), Failed> {
    match way {
        // Ok says "committed": never without the transaction that was begun here.
        Way::Ok if !unit.connection().in_transaction() => {
            unit.follow(Change::RolledBack);
            Err(Failed::ours(Error::misuse(
                "the transaction that was begun here had ended before its closure did, or another session was put in \
                 the place of the one that was lent",
            )))
        }
        Way::Ok => scope::commit(unit).map_err(|error| {
            let mut failed = Failed::ours(error);
            if unit.connection().transaction.partly_committed {
                if failed.commit_unknown {
                    unit.follow(Change::Forgotten);
                }
                (failed.class, failed.commit_unknown) = (Class::Permanent, false);
            }
            failed
        }),
        Way::Err { exits } => Err(fail_root(unit, exits)),
        Way::Panic => {
            scope::exit(unit, PANIC);
            scope::rollback(unit);
            Ok(())
        }
    }
}

/// The closure of a root has answered an error.
fn fail_root<U: Unit>(unit: &mut U, exits: bool) -> Failed {
    let stopped = exits || unit.connection().stopped;
    if stopped {
        scope::exit(unit, STOPPED);
    }
    unit.connection().settle();
    let decisive = unit.connection().transaction.decisive_fault().cloned();
    let later = scope::rollback(unit);
    // Who asked to stop is not run again, whatever had gone wrong before; nor what is written in part.
    let class = match &decisive {
        Some(fault) if !stopped && !unit.connection().transaction.partly_committed => fault.verdict().class,
        _ => Class::Permanent,
    };
    let cause = decisive.as_ref().map(Fault::to_string).unwrap_or_default();
    let timed_out = decisive
        .as_ref()
        .is_some_and(|fault| fault.verdict().is_statement_timeout());
    let ending = scope::ending(unit, Outcome::RolledBack, decisive, later);
    let said = if exits { Said::Untouched } else { Said::Theirs(ending) };
    Failed {
        class,
        cause,
        timed_out,
        ..Failed::theirs(said)
    }
}

/// Somebody else ends it; a part that failed is not to be committed by an owner who does not look.
fn leave_joined<U: Unit>(unit: &mut U, way: Way) -> std::result::Result<(), Failed> {
    match way {
        Way::Ok => return Ok(()),
        Way::Err { exits } if exits || unit.connection().stopped => scope::exit(unit, STOPPED),
        Way::Err { .. } => scope::doom_joined(unit),
        Way::Panic => scope::exit(unit, PANIC),
    }
    Err(Failed::untouched())
}

fn leave_nested<U: Unit>(unit: &mut U, depth: usize, way: Way) -> std::result::Result<(), Failed> {
    match way {
        Way::Ok => return scope::release(unit, depth).map_err(Failed::ours),
        Way::Err { exits } if exits || unit.connection().stopped => {
            scope::exit(unit, STOPPED);
            scope::rollback_to(unit, depth);
        }
        Way::Err { .. } => {
            unit.connection().settle();
            let decisive = unit.connection().transaction.decisive_fault().cloned();
            let later = scope::rollback_to(unit, depth);
            let ending = scope::ending(unit, Outcome::RolledBackToSavepoint, decisive, later);
            return Err(Failed::theirs(Said::Theirs(ending)));
        }
        Way::Panic => {
            scope::exit(unit, PANIC);
            scope::rollback_to(unit, depth);
        }
    }
    Err(Failed::untouched())
}

/// Changes an error of ours; one of the user's own type stays as it is.
pub(crate) fn map_ours<E: 'static>(error: E, change: impl FnOnce(Error) -> Error) -> E {
    let mut slot = Some(error);
    if let Some(ours) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Error>>() {
        *ours = ours.take().map(change);
    }
    slot.expect("it was filled above, and what is taken out is put back")
}

/// Whether the caller asked to stop. A boxed error is looked into; another type of the user's own cannot be.
fn is_exit<E: 'static>(error: &E) -> bool {
    let error = error as &dyn Any;
    if let Some(boxed) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        return boxed.is::<Exit>() || boxed.downcast_ref::<Error>().is_some_and(Error::is_exit);
    }
    error.downcast_ref::<Error>().is_some_and(Error::is_exit)
}
