//! The root transaction: BEGIN, COMMIT, ROLLBACK, and what is done when one of them fails.

use aludel_core::classify::{CommitOutcome, Fate, Scope};
use aludel_core::dialect::{Characteristics, ServerTransaction};
use aludel_core::once::ResultTable;
use aludel_core::verify::CommitTable;
use aludel_core::{AccessMode, Class, Control, Dialect, Error, Event, Fault, Outcome, Phase, Result};
use diesel::connection::InstrumentationEvent;
use diesel::result::QueryResult;

use super::external::Rule;
use super::scope::STOPPED;
use super::{Origin, Root, own_fault, own_fault_of};
use crate::connection::Connection;

impl<C: Dialect> Connection<C> {
    /// Begins the root. BEGIN may be repeated on another connection without a thought: nothing has happened yet.
    /// `own` is what was asked for this transaction alone.
    pub(crate) fn begin_root(&mut self, origin: Origin, own: Characteristics) -> Result<()> {
        self.refuse_if_cancelled()?;
        self.refuse_if_closed()?;
        self.borrow_from_sandbox()?;
        if self.transaction.is_guest() {
            return self.begin_inside(origin, own);
        }
        self.stopped = false;
        self.transaction.fault = None;
        self.transaction.characteristics = own.over(self.of_session());
        self.check_characteristics()?;
        self.transaction.partly_committed = false;
        self.transaction.verification = self.take_wish();
        self.transaction.done_by = self.done_by.take();
        let first = match self.try_begin(origin) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // A connection that died in the pool: its whole generation was retired, so the next one is fresh.
        if first.is_disconnect() && !self.is_connected() {
            // What was wrong with the dead one is no news about the transaction that begins now.
            self.transaction.fault = None;
            return self.try_begin(origin);
        }
        Err(first)
    }

    fn try_begin(&mut self, origin: Origin) -> Result<()> {
        match self.transaction.done_by {
            None => self.connected()?,
            Some(done_by) => self.connected_by(done_by)?,
        };
        // To SQLite's `query_only`, BEGIN IMMEDIATE is a write.
        let reads = self.transaction.characteristics.access_mode == Some(AccessMode::ReadOnly);
        let control = if std::mem::take(&mut self.begin_immediate) && !reads {
            Control::BeginImmediate
        } else {
            Control::Begin
        };
        if let Some(depth) = std::num::NonZeroU32::new(1) {
            self.instrument(InstrumentationEvent::begin_transaction(depth));
        }
        let begun = self.ensure_tables().and_then(|()| self.send_begin(control));
        if let Err(error) = begun {
            let error = self.explain(error).with_outcome(Outcome::NotBegun);
            self.release_between_transactions();
            return Err(error);
        }
        if let Some(raw) = self.raw() {
            raw.mirror(true);
        }
        self.report_in_transaction(true);
        self.transaction.set_root(Root::Open {
            origin,
            first_write: None,
        });
        if self.engine().retries().is_awaited() {
            self.tell_those_who_wait();
        }
        self.engine().emit(&Event::Begin {
            connection: self.number(),
        });
        Ok(())
    }

    /// The tables of ours that the transaction will write into.
    #[inline]
    fn ensure_tables(&mut self) -> QueryResult<()> {
        if self.wants_verification() {
            self.ensure_table::<CommitTable>()?;
        }
        if self.wants_to_keep_a_result() {
            self.ensure_table::<ResultTable>()?;
        }
        Ok(())
    }

    /// Retries wait for this engine's host, and here a transaction has begun.
    #[cold]
    fn tell_those_who_wait(&mut self) {
        if let Ok(checkout) = self.connected() {
            let age = checkout.age();
            self.engine().retries().has_begun(age, self.engine().clock());
        }
    }

    /// The caller's error with what the session knows about it: the class that was confirmed, not the one guessed.
    pub(crate) fn explain(&self, error: diesel::result::Error) -> Error {
        let error = Error::from(error);
        match &self.transaction.fault {
            Some(fault) => error.with_verdict(fault.verdict()),
            None => error,
        }
    }

    /// `begin_test_transaction`: a root that is never committed.
    pub(crate) fn begin_test(&mut self) -> Result<()> {
        self.settle();
        if self.transaction.is_open() {
            return Err(Error::misuse(
                "a test transaction must be the outermost one, and a transaction is open",
            ));
        }
        if self.is_guest() {
            return Err(Error::misuse(
                "a test transaction must be the outermost one, and the session is inside of somebody else's",
            ));
        }
        self.refuse_to_autobegin_in_autocommit("begin_test_transaction")?;
        self.begin_root(Origin::Test, Characteristics::default())?;
        self.transaction.lend(Rule::Test);
        Ok(())
    }

    /// Commits the root: nothing when there is none.
    pub(crate) fn commit_root(&mut self) -> Result<()> {
        self.settle();
        self.end_autocommit("COMMIT using DBAPI connection.commit(), has no effect due to autocommit mode");
        if !self.transaction.is_open() {
            return Ok(());
        }
        if let Err(exit) = self.refuse_if_stopped() {
            self.left_in_the_middle(STOPPED);
            self.rollback_root();
            return Err(exit);
        }
        if let Some(cause) = self.transaction.doom().cloned() {
            let later = self.rollback_root();
            return Err(doomed(cause, later));
        }
        if self.transaction.depth() > 0 {
            let fault = own_fault("COMMIT while a savepoint is still open");
            let later = self.rollback_root();
            return Err(doomed(fault, later));
        }
        if self.raw().is_some_and(Dialect::is_aborted) {
            // PostgreSQL would answer ok to COMMIT and roll back.
            let fault = own_fault("a statement has failed on the server, and its error did not come by here");
            let later = self.rollback_root();
            return Err(doomed(fault, later));
        }
        if let Err(error) = self.write_token_before_commit() {
            let error = error.with_outcome(Outcome::RolledBack);
            return Err(match self.rollback_root() {
                Some(later) => error.with_later(later),
                None => error,
            });
        }
        if self.transaction.is_guest() {
            return self.commit_inside();
        }
        if let Some(depth) = std::num::NonZeroU32::new(self.transaction.diesel_depth()) {
            self.instrument(InstrumentationEvent::commit_transaction(depth));
        }
        let number = self.number();
        match self.send_commit() {
            Ok(()) => {
                self.end_root();
                self.engine().emit(&Event::Commit { connection: number });
                self.release_between_transactions();
                Ok(())
            }
            Err(fault) => Err(self.after_failed_commit(fault)),
        }
    }

    /// Sends COMMIT; its error is not judged in the usual way, since no server has to be asked: whatever it answered,
    /// the transaction is ended.
    fn send_commit(&mut self) -> std::result::Result<(), Fault> {
        match self.control_without_judging(Phase::Commit, Control::Commit) {
            Ok(()) => Ok(()),
            Err(_) => Err(self
                .transaction
                .unsettled
                .take()
                .expect("a call that failed has left its fault")),
        }
    }

    fn after_failed_commit(&mut self, fault: Fault) -> Error {
        let number = self.number();
        let verdict = fault.verdict();
        self.transaction.fault.get_or_insert_with(|| fault.clone());
        if verdict.at_commit == CommitOutcome::Unknown {
            // The server has kept a read-only one from writing; what it lets through all the same (NOTIFY) has been seen.
            let reads = self.transaction.characteristics.access_mode == Some(AccessMode::ReadOnly);
            let only_reads = reads && self.transaction.first_write().is_none();
            let untouched = only_reads || self.transaction.verification.is_untouched();
            if !untouched {
                self.engine().emit(&Event::CommitUnknown {
                    connection: number,
                    cause: fault.message(),
                });
            }
            // Only the connection itself can confirm that it is dead; alive or not, nobody may use it again.
            let dead = !verdict.by_text || self.raw().is_none_or(|raw| raw.server_transaction().is_err());
            if verdict.scope == Some(Scope::Generation) && dead {
                self.retire_generation(fault.message());
            } else {
                self.discard(fault.message());
            }
            self.end_root();
            if untouched {
                // There was nothing to commit, so nothing is in doubt but whether what was read still holds.
                return Error::commit(fault);
            }
            let error = Error::commit_unknown(fault);
            return match self.transaction.verification.token() {
                // It speaks for what came after; who was told "not committed" would run the first part twice.
                Some(token) if !self.transaction.partly_committed => error.with_commit_token(token),
                _ => error,
            };
        }
        // The server refused, and may still have the transaction open (SQLite does).
        match verdict.scope {
            // A host that serves no writes: no connection to it is of use. Closing this one rolls back.
            Some(Scope::Generation) if verdict.class != Class::Disconnect || !verdict.by_text => {
                self.retire_generation(fault.message());
            }
            Some(_) => self.wear_out(),
            None => {}
        }
        let later = self.rollback_root();
        let error = Error::commit(fault);
        match later {
            Some(later) => error.with_later(later),
            None => error,
        }
    }

    /// Rolls the root back and forgets it. Where ROLLBACK cannot be sent or fails the connection is closed, which has
    /// the same effect; the error is given back for those who have room for it.
    pub(crate) fn rollback_root(&mut self) -> Option<Error> {
        self.settle();
        self.end_autocommit("ROLLBACK using DBAPI connection.rollback(), has no effect due to autocommit mode");
        if !self.transaction.is_open() {
            return None;
        }
        if self.transaction.is_guest() {
            return self.rollback_inside();
        }
        let number = self.number();
        let mut later = None;
        if let Some(depth) = std::num::NonZeroU32::new(self.transaction.diesel_depth()) {
            self.instrument(InstrumentationEvent::rollback_transaction(depth));
        }
        // Also where the transaction counts as lost: Oracle MySQL cannot be asked, and its next BEGIN would commit what
        // is left.
        if self.is_connected()
            && let Err(error) = self.control_without_judging(Phase::Rollback, Control::Rollback)
        {
            self.discard("ROLLBACK failed");
            later = Some(Error::from(error));
        }
        self.transaction.unsettled = None;
        self.end_root();
        self.engine().emit(&Event::Rollback { connection: number });
        self.release_between_transactions();
        later
    }

    /// Ends a root that began by itself and has only read, to make room for one that somebody wants. COMMIT, not
    /// ROLLBACK: a SELECT may have written through a function that it called, which nobody can see from outside.
    pub(crate) fn end_read_root(&mut self) {
        if self.transaction.is_guest() {
            // One that cannot be ended has taken the whole along, which the next one is told of.
            let _ = self.commit_inside();
            return;
        }
        let number = self.number();
        if self.control_without_judging(Phase::Commit, Control::Commit).is_err() {
            // Whatever stands in the way of a COMMIT that has nothing to write is dealt with when the next root begins.
            self.transaction.unsettled = None;
            self.discard("a transaction that had only read could not be ended");
            self.rollback_root();
            return;
        }
        self.end_root();
        self.engine().emit(&Event::Commit { connection: number });
        self.release_between_transactions();
    }

    fn end_root(&mut self) {
        if let Some(raw) = self.raw() {
            raw.mirror(false);
        }
        self.report_in_transaction(false);
        self.transaction.set_root(Root::Idle);
        self.put_back();
    }

    /// Sends a statement that ends a transaction, and leaves its error unjudged, noted as unsettled: whatever the server
    /// answered, the transaction is at its end.
    pub(crate) fn control_without_judging(&mut self, phase: Phase, control: Control) -> QueryResult<()> {
        let watch = self.watch_control(control);
        let result = watch.inside(|| {
            self.send(phase, |raw| match control {
                Control::Rollback => raw.end_transaction(control),
                control => raw.control(control),
            })
        });
        watch.finish(None, result.is_err());
        result.map_err(|error| {
            self.transaction.unsettled = None;
            self.observe(phase, Some(control.sql().into_owned()), error)
        })
    }

    /// After DDL that has committed the transaction: what was written before is committed, and a new root goes on.
    /// Where the server cannot be asked, it has `certainly` happened after DDL; after a CALL nobody knows.
    pub(crate) fn begin_anew_after_definition(&mut self, sql: &str, certainly: bool) -> QueryResult<()> {
        let state = match self.raw() {
            Some(raw) => raw.server_transaction(),
            None => return Ok(()),
        };
        let ended = match &state {
            Ok(ServerTransaction::Open | ServerTransaction::Aborted) => return Ok(()),
            Ok(ServerTransaction::None) => true,
            Ok(_) => certainly,
            Err(_) => false,
        };
        self.transaction.was_partly_committed();
        self.engine().emit(&Event::ImplicitCommit {
            connection: self.number(),
            sql,
        });
        // A token that was given out says `committed` from now on.
        let promised = self.transaction.verification.token().is_some();
        let guest = self.transaction.is_guest();
        if self.transaction.depth() > 0 || !ended || promised || guest {
            let lost = if guest {
                "with what is not this session's to commit"
            } else if promised && self.transaction.depth() == 0 {
                "with the commit token that was given out"
            } else {
                "and its savepoints are gone"
            };
            let fault = own_fault_of(
                Fate::Committed,
                format!("the statement committed the transaction, {lost}: {sql}"),
            );
            self.transaction.doom_root(&fault);
            return Ok(());
        }
        let origin = self.transaction.origin().unwrap_or(Origin::Autobegun);
        if let Err(error) = self.send_begin(Control::Begin) {
            // The server is in autocommit now: nothing more may be sent.
            self.transaction.doom_root(&own_fault_of(
                Fate::Committed,
                format!("no transaction could be begun after: {sql}"),
            ));
            return Err(error);
        }
        self.transaction.set_root_anew(origin);
        Ok(())
    }
}

impl super::Transaction {
    /// A root that has taken the place of one that DDL committed: nothing is written in it yet, its owners stay.
    fn set_root_anew(&mut self, origin: Origin) {
        self.set_root(Root::Open {
            origin,
            first_write: None,
        });
    }
}

/// What the caller of a COMMIT gets when the transaction had failed before.
pub(super) fn doomed(cause: Fault, later: Option<Error>) -> Error {
    let outcome = cause.outcome();
    let error = Error::doomed(cause).with_outcome(outcome);
    match later {
        Some(later) => error.with_later(later),
        None => error,
    }
}
