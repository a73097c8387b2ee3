//! A checkout that looks twice.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use aludel_under_shuttle::pool::{Checkout, Pool, PoolError};

use super::database::Connection;

/// A checkout that nobody else may have, which has no transaction open and is of the current generation.
pub(crate) struct Loan(Option<Checkout<Connection>>);

pub(crate) fn borrow(pool: &Pool<Connection>) -> Result<Loan, PoolError> {
    borrow_within(pool, pool.options().pool_timeout)
}

pub(crate) fn borrow_within(pool: &Pool<Connection>, timeout: Duration) -> Result<Loan, PoolError> {
    let generation = pool.generation();
    let mut checkout = pool.checkout_within(timeout)?;
    assert!(!checkout.lent, "a connection is in two hands");
    assert!(!checkout.in_transaction, "a borrower inherits a transaction");
    assert!(
        checkout.generation() >= generation,
        "a borrower gets one that was retired before it asked"
    );
    assert!(!checkout.soft_invalidated, "a borrower gets one that was to be closed");
    checkout.lent = true;
    Ok(Loan(Some(checkout)))
}

impl Loan {
    /// Leaves a transaction open.
    pub(crate) fn begin(&mut self) {
        self.in_transaction = true;
        self.set_dirty(true);
    }

    pub(crate) fn invalidate(mut self) {
        self.give_up().invalidate("a scenario");
    }

    /// Has it closed on return.
    pub(crate) fn soft_invalidate(mut self) {
        self.soft_invalidated = true;
        Checkout::soft_invalidate(&mut self, "a scenario");
    }

    /// Frees its place, and goes on with it for a while.
    pub(crate) fn detach(mut self) {
        Checkout::detach(&mut self);
        shuttle::thread::yield_now();
    }

    pub(crate) fn into_inner(mut self) -> Connection {
        self.give_up().into_inner().expect("nobody else's")
    }

    fn give_up(&mut self) -> Checkout<Connection> {
        let mut checkout = self.0.take().expect("a loan is given up once");
        checkout.lent = false;
        checkout
    }
}

impl Deref for Loan {
    type Target = Checkout<Connection>;

    fn deref(&self) -> &Checkout<Connection> {
        self.0.as_ref().expect("a loan is given up once")
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Checkout<Connection> {
        self.0.as_mut().expect("a loan is given up once")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.0.is_some() {
            drop(self.give_up());
        }
    }
}
