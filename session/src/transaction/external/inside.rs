//! What BEGIN, COMMIT and ROLLBACK are inside of an external transaction.

use std::num::NonZeroU32;

use aludel_core::dialect::Characteristics;
use aludel_core::{Control, Dialect, Error, Event, Fault, Outcome, Phase, Result};
use diesel::connection::InstrumentationEvent;

use super::{JoinTransactionMode, Part, Rule};
use crate::connection::Connection;
use crate::transaction::scope::Change;
use crate::transaction::{Origin, Root, own_fault};
use crate::verification::Verification;

impl<C: Dialect> Connection<C> {
    /// Begins a root inside of the external transaction.
    pub(in crate::transaction) fn begin_inside(&mut self, origin: Origin, own: Characteristics) -> Result<()> {
        let verified = std::mem::take(&mut self.wish).verified == Some(true);
        self.begin_immediate = false;
        self.settle();
        if let Some(cause) = self.transaction.external_doom().cloned() {
            return Err(Error::doomed(cause).with_outcome(Outcome::NotBegun));
        }
        let Some(external) = &self.transaction.external else {
            return Ok(());
        };
        let (rule, part, open) = (
            external.rule,
            external.part_to_be(),
            external.transaction.characteristics,
        );
        self.transaction.characteristics = open;
        let wanted = match rule {
            Rule::Sandbox => self.of_session(),
            Rule::Join(_) | Rule::Test => self.own_characteristics(),
        };
        self.refuse_to_join(own.over(wanted))
            .map_err(|error| error.with_outcome(Outcome::NotBegun))?;
        if rule == Rule::Join(JoinTransactionMode::ControlFully) {
            return self.take_over(origin, verified);
        }
        if verified {
            self.verify_from_now_on()?;
        }
        self.transaction.forget_faults();
        self.transaction.partly_committed = false;
        self.transaction.verification = Verification::default();
        if part == Part::Savepoint {
            self.set_savepoint_for_root()?;
        }
        if let Some(external) = &mut self.transaction.external {
            external.part = part;
        }
        self.transaction.set_root(Root::Open {
            origin,
            first_write: None,
        });
        Ok(())
    }

    /// The external transaction becomes the session's own.
    fn take_over(&mut self, origin: Origin, verified: bool) -> Result<()> {
        if self
            .transaction
            .external
            .as_ref()
            .is_some_and(|external| external.is_owned())
        {
            return Err(Error::misuse(
                "a session with JoinTransactionMode::ControlFully was given a transaction that a scope will end (begin, \
                 begin_nested, #[retry], transaction); give it one that is nobody's, or join with CreateSavepoint or \
                 RollbackOnly",
            )
            .with_outcome(Outcome::NotBegun));
        }
        self.transaction.take_back();
        self.transaction.set_origin(origin);
        if verified {
            self.verify_from_now_on()?;
        }
        Ok(())
    }

    fn set_savepoint_for_root(&mut self) -> Result<()> {
        let number = self.transaction.innermost() + 1;
        self.instrument_level(number, InstrumentationEvent::begin_transaction);
        if let Err(error) = self.control(Phase::Savepoint, Control::Savepoint(number)) {
            return Err(self.explain(error).with_outcome(Outcome::NotBegun));
        }
        self.engine().emit(&Event::Savepoint {
            connection: self.number(),
            depth: number,
        });
        Ok(())
    }

    /// What COMMIT is inside of an external transaction. Whatever kept it from being committed was looked at before.
    pub(in crate::transaction) fn commit_inside(&mut self) -> Result<()> {
        let number = self.transaction.innermost();
        if self.root_is_a_savepoint() {
            self.instrument_level(number, InstrumentationEvent::commit_transaction);
            if let Err(error) = self.control(Phase::Release, Control::Release(number)) {
                let error = self.release_has_failed(error);
                let outcome = self.transaction.root_doom().map(Fault::outcome);
                self.end_inside();
                return Err(error.with_outcome(outcome.unwrap_or(Outcome::RolledBack)));
            }
            self.transaction.hand_over();
            self.end_inside();
            self.engine().emit(&Event::ReleaseSavepoint {
                connection: self.number(),
                depth: number,
            });
        } else {
            self.transaction.hand_over();
            self.end_inside();
        }
        self.release_between_transactions();
        Ok(())
    }

    /// What ROLLBACK is there.
    pub(in crate::transaction) fn rollback_inside(&mut self) -> Option<Error> {
        let external = self.transaction.external.as_ref()?;
        let lost = external.transaction.root_doom().is_some();
        let nobodys = external.part == Part::Whole && !external.is_owned();
        let later = if nobodys {
            self.transaction.take_back();
            return self.rollback_root();
        } else if lost {
            // Its owner ends it.
            None
        } else if external.part == Part::Savepoint {
            let number = self.transaction.beneath();
            self.instrument_level(number, InstrumentationEvent::rollback_transaction);
            self.undo_to(number, true)
        } else {
            self.rollback_external_level()
        };
        self.end_inside();
        self.release_between_transactions();
        later
    }

    /// Rolls the level that the session has joined back, which its owner has still to end: until then it takes nothing else.
    fn rollback_external_level(&mut self) -> Option<Error> {
        let external = self.transaction.external.as_ref()?;
        let number = external.transaction.innermost();
        let cause = own_fault("a session that had joined the transaction with RollbackOnly has rolled it back");
        self.instrument_level(number, InstrumentationEvent::rollback_transaction);
        if number > 0 {
            let later = self.undo_to(number, false);
            self.transaction.doom_shared_level(&cause);
            return later;
        }
        let sent = self.control_without_judging(Phase::Rollback, Control::Rollback);
        if sent.is_err() {
            self.discard("ROLLBACK failed");
        } else if let Some(raw) = self.raw() {
            raw.mirror(false);
        }
        self.transaction.forget_unsettled();
        self.transaction.doom_external(&cause);
        self.engine().emit(&Event::Rollback {
            connection: self.number(),
        });
        sent.err().map(Error::from)
    }

    /// Leaves what is open to the external transaction, where a session that only may roll back closes; says whether it has.
    pub(crate) fn leave_to_external(&mut self) -> bool {
        let shared = self
            .transaction
            .external
            .as_ref()
            .is_some_and(|external| external.part == Part::Whole && external.transaction.root_doom().is_none());
        if !shared || !self.transaction.is_open() {
            return false;
        }
        self.settle();
        self.transaction.hand_over();
        self.end_inside();
        self.transaction.follow(Change::Committed);
        true
    }

    /// The test's own transaction is gone, and so is all that was in it: it begins anew.
    pub(crate) fn begin_a_lost_test_anew(&mut self) -> Result<()> {
        self.settle();
        if !self.transaction.is_lenient() || self.transaction.external_doom().is_none() {
            return Ok(());
        }
        self.transaction.take_back();
        self.rollback_root();
        self.begin_test()
    }

    fn root_is_a_savepoint(&self) -> bool {
        let external = self.transaction.external.as_ref();
        external.is_some_and(|external| external.part == Part::Savepoint)
    }

    fn end_inside(&mut self) {
        self.transaction.set_root(Root::Idle);
    }

    fn instrument_level<'a>(&mut self, number: usize, event: impl FnOnce(NonZeroU32) -> InstrumentationEvent<'a>) {
        let depth = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        if let Some(depth) = NonZeroU32::new(depth) {
            self.instrument(event(depth));
        }
    }
}
