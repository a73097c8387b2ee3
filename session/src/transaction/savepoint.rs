//! Savepoints: SAVEPOINT, RELEASE, ROLLBACK TO followed by RELEASE, and what is done when one of them fails.

use aludel_core::classify::{Fate, classify};
use aludel_core::{Class, Control, Dialect, Error, Event, Fault, Outcome, Phase, Result};
use diesel::result::Error as DieselError;

use super::root::doomed;
use crate::connection::Connection;

impl<C: Dialect> Connection<C> {
    /// Sets a savepoint, beginning a root where there is none.
    pub(crate) fn set_savepoint(&mut self) -> Result<()> {
        self.ready()?;
        let number = self.transaction.innermost() + 1;
        self.control(Phase::Savepoint, Control::Savepoint(number))?;
        self.transaction.push_frame();
        self.engine().emit(&Event::Savepoint {
            connection: self.number(),
            depth: number,
        });
        Ok(())
    }

    /// Keeps the work since the innermost savepoint.
    ///
    /// A savepoint whose work cannot be kept is rolled back to instead. A RELEASE that fails dooms the whole transaction:
    /// nobody knows what the server has kept of it.
    pub(crate) fn release_savepoint(&mut self) -> Result<()> {
        self.settle();
        let depth = self.transaction.depth();
        if let Some(cause) = self.transaction.root_doom().cloned() {
            self.transaction.pop_frame();
            return Err(Error::doomed(cause));
        }
        if let Some(cause) = self.transaction.frame_doom().cloned() {
            let later = self.rollback_to_savepoint();
            return Err(doomed(cause, later).with_outcome(Outcome::RolledBackToSavepoint));
        }
        let number = self.transaction.innermost();
        match self.control(Phase::Release, Control::Release(number)) {
            Ok(()) => {
                self.transaction.pop_frame();
                self.transaction.verification.released(depth);
                self.engine().emit(&Event::ReleaseSavepoint {
                    connection: self.number(),
                    depth: number,
                });
                Ok(())
            }
            Err(error) => Err(self.release_has_failed(error)),
        }
    }

    /// The caller's error where RELEASE was answered with this one.
    pub(super) fn release_has_failed(&mut self, error: DieselError) -> Error {
        let is_first = self
            .transaction
            .fault
            .as_ref()
            .is_some_and(|fault| fault.phase() == Phase::Release);
        let doomed = Error::doomed(self.savepoint_is_lost(Phase::Release, &error));
        if is_first {
            doomed
        } else {
            doomed.with_later(Error::from(error))
        }
    }

    /// Undoes the work since the innermost savepoint, and releases it: on PostgreSQL failing siblings would otherwise
    /// nest ever deeper. Gives back what went wrong, for those who have room for it.
    pub(crate) fn rollback_to_savepoint(&mut self) -> Option<Error> {
        self.settle();
        let depth = self.transaction.depth();
        if self.transaction.root_doom().is_some() {
            self.transaction.pop_frame();
            return None;
        }
        let later = self.undo_to(self.transaction.innermost(), true);
        if later.is_none() {
            self.transaction.pop_frame();
            self.transaction.verification.rolled_back_to(depth);
        }
        later
    }

    /// ROLLBACK TO the savepoint that the server knows by this number, and its RELEASE, unless somebody else will end it.
    pub(super) fn undo_to(&mut self, number: usize, releases: bool) -> Option<Error> {
        let mut result = self.control(Phase::RollbackTo, Control::RollbackTo(number));
        if releases && result.is_ok() {
            result = self.control(Phase::Release, Control::Release(number));
        }
        if let Err(error) = result {
            self.savepoint_is_lost(Phase::RollbackTo, &error);
            return Some(Error::from(error));
        }
        self.engine().emit(&Event::RollbackToSavepoint {
            connection: self.number(),
            depth: number,
        });
        None
    }

    /// RELEASE or ROLLBACK TO has failed: the root is doomed by the first error there was, the server's transaction is
    /// ended, and a connection that has lost a savepoint is not trusted with anything again.
    pub(super) fn savepoint_is_lost(&mut self, phase: Phase, error: &DieselError) -> Fault {
        let cause = self
            .transaction
            .fault
            .clone()
            .expect("an error that passed through was remembered");
        self.transaction.pop_frame();
        self.transaction.doom_root(&cause);
        // Whether the connection can be trusted is told by this error, not by the one that came first.
        let verdict = classify(C::FLAVOUR, phase, error);
        let untrusted = verdict.class == Class::Disconnect || matches!(verdict.fate, Fate::Lost | Fate::RolledBack);
        // One that has died was closed when the error was judged.
        if self.is_connected() {
            if untrusted
                || self
                    .control_without_judging(Phase::Rollback, Control::Rollback)
                    .is_err()
            {
                self.discard("a savepoint was lost");
            } else if let Some(raw) = self.raw() {
                raw.mirror(false);
            }
        }
        self.transaction.unsettled = None;
        cause
    }
}
