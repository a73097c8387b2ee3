//! The transfer, with Aludel, and with Diesel and r2d2 alone.

use std::fmt;

use aludel::Error;
use aludel::prelude::*;
use diesel::connection::LoadConnection;
use diesel::r2d2::{ConnectionManager, Pool, R2D2Connection};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::ledger::{Ledger, Transfer};

/// What a caller is told.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is done.
    Done(Receipt),
    /// Too little money; nothing was done, and that is an answer, too.
    Overdrawn,
    /// An error.
    Failed(String),
}

/// How a transfer was found to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// By this very attempt.
    New,
    /// By an earlier attempt, the answer to whose COMMIT was lost.
    HadHappened,
}

/// Somebody who carries out transfers.
pub(crate) trait Teller: Sync {
    /// Carries out a transfer.
    fn serve(&self, order: &Transfer) -> Answer;
}

/// Moves the money, exactly once.
///
/// `commit = "idempotent"` promises that running it twice is the same as running it once, so that it runs again even
/// when the answer to COMMIT was lost and nobody knows whether the money has moved. The record makes that true: it is
/// written first, and its key is the order's. When an earlier attempt has committed, the key refuses the record, and
/// the rest is not done again. When the earlier COMMIT is *still on its way* on the server, the INSERT waits for it on
/// the lock of that very row, and then succeeds or is refused according to what became of it.
#[retry(attempts = 100, deadline = "60s", commit = "idempotent")]
pub(crate) fn transfer<C>(session: &mut Session<C>, order: &Transfer) -> aludel::Result<Receipt>
where
    C: Dialect<Backend: Ledger>,
    Transfer: Persist<C::Backend>,
{
    // In a savepoint, since on PostgreSQL a refused INSERT would spoil the whole transaction.
    let recorded = session.begin_nested(|nested| {
        nested.add(order.clone());
        nested.flush()
    });
    match recorded {
        Err(error) if is_duplicate(&error) => return Ok(Receipt::HadHappened),
        other => other?,
    }
    for (account, by) in order.steps() {
        if !C::Backend::change_balance(session, account, by)? {
            return Err(Error::other(Overdrawn)); // rolls back all of it
        }
    }
    Ok(Receipt::New)
}

fn is_duplicate(error: &Error) -> bool {
    matches!(
        error.as_diesel(),
        Some(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    )
}

/// There is too little money on the account.
#[derive(Debug)]
struct Overdrawn;

impl fmt::Display for Overdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too little money on the account")
    }
}

impl std::error::Error for Overdrawn {}

impl<C> Teller for Engine<C>
where
    C: Dialect<Backend: Ledger>,
    Transfer: Persist<C::Backend>,
{
    fn serve(&self, order: &Transfer) -> Answer {
        match transfer(&mut self.session(), order) {
            Ok(receipt) => Answer::Done(receipt),
            Err(error) if error.downcast_ref::<Overdrawn>().is_some() => Answer::Overdrawn,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

/// The same with Diesel alone.
fn plain_transfer<C>(connection: &mut C, order: &Transfer) -> Result<(), DieselError>
where
    C: LoadConnection<Backend: Ledger>,
{
    connection.transaction(|connection| {
        C::Backend::record(connection, order)?;
        for (account, by) in order.steps() {
            if !C::Backend::change_balance(connection, account, by)? {
                return Err(DieselError::RollbackTransaction);
            }
        }
        Ok(())
    })
}

impl<C> Teller for Pool<ConnectionManager<C>>
where
    C: LoadConnection<Backend: Ledger> + R2D2Connection + Send + 'static,
{
    fn serve(&self, order: &Transfer) -> Answer {
        let mut connection = match self.get() {
            Ok(connection) => connection,
            Err(error) => return Answer::Failed(format!("from the pool: {error}")),
        };
        match plain_transfer(&mut *connection, order) {
            Ok(()) => Answer::Done(Receipt::New),
            Err(DieselError::RollbackTransaction) => Answer::Overdrawn,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}
