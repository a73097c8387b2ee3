//! A connection of a sandbox: it borrows the one that the sandbox has, transaction and all, and puts it back.

use aludel_core::dialect::Characteristics;
use aludel_core::pool::Checkout;
use aludel_core::{Dialect, Error, Event, Result};

use super::{Connection, SharedInstrumentation};
use crate::testing::Slot;
use crate::transaction::Origin;
use crate::transaction::scope::Change;

impl<C: Dialect> Connection<C> {
    /// Begins what a sandbox is.
    #[track_caller]
    pub(crate) fn begin_for_sandbox(&mut self) -> Result<()> {
        self.refuse_in_autocommit("sandbox", Characteristics::default())?;
        self.begin_root(Origin::Test, Characteristics::default())
    }

    fn slot(&self) -> Option<&Slot<C>> {
        self.engine.attachment()?.downcast_ref()
    }

    /// Takes the sandbox's transaction before one begins inside of it. Elsewhere it does nothing.
    pub(crate) fn borrow_from_sandbox(&mut self) -> Result<()> {
        if self.sandbox.is_none() && self.engine.attachment().is_some() {
            self.connected()?;
        }
        Ok(())
    }

    /// The sandbox's raw connection in the place of one of the pool's, with its transaction beneath this one's.
    pub(super) fn connected_in_sandbox(&mut self) -> Result<&mut Checkout<C>> {
        if self.sandbox.is_none() {
            let patience = self.patience.unwrap_or(self.engine.pool().options().pool_timeout);
            let slot = self.slot().ok_or_else(foreign)?;
            let mut lender = slot.take(&self.engine, self.place, patience, self.cancel_token())?;
            if let Some(mut checkout) = lender.checkout.take() {
                self.failed_statement = self.instrumentation.install(&mut *checkout);
                self.number = checkout.id();
                self.checkout = Some(checkout);
                self.unfit = lender.unfit.take();
                self.standing = std::mem::take(&mut lender.standing);
                self.engine.emit(&Event::EngineConnect {
                    connection: self.number,
                });
            }
            self.transaction.borrow(&mut lender.transaction);
            self.sandbox = Some(Box::new(lender));
        }
        let Some(checkout) = &mut self.checkout else {
            let cause = self.transaction.doom().cloned();
            return Err(cause.map_or_else(foreign, Error::doomed));
        };
        Ok(checkout)
    }

    /// Hooks follow what has happened to the transaction. What was committed in a sandbox never is, and its hooks are kept.
    #[inline]
    pub(crate) fn follow_hooks(&mut self, change: Change) {
        if self.transaction.has_hooks() {
            self.hooks_follow(change);
        }
    }

    fn hooks_follow(&mut self, change: Change) {
        if matches!(change, Change::Committed)
            && !self.transaction.is_lent()
            && let Some(captured) = self.slot().map(|slot| slot.captured.clone())
        {
            self.transaction.let_hooks_be_captured(&captured);
        } else {
            self.transaction.follow(change);
        }
    }

    /// Puts everything back; says whether it was the sandbox's.
    pub(super) fn release_to_sandbox(&mut self) -> bool {
        let Some(mut lender) = self.sandbox.take() else {
            return false;
        };
        if let Some(mut checkout) = self.checkout.take() {
            SharedInstrumentation::uninstall(&mut *checkout);
            lender.checkout = Some(checkout);
        }
        lender.unfit = self.unfit.take();
        lender.standing = std::mem::take(&mut self.standing);
        self.transaction.put_back(&mut lender.transaction);
        if let Some(slot) = self.slot() {
            slot.put(*lender);
        }
        true
    }
}

fn foreign() -> Error {
    Error::misuse("the sandbox has lost its connection")
}
