//! Diesel's transaction manager, so that a plain `connection.transaction(..)` obeys our rules, too.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aludel_core::dialect::Characteristics;
use aludel_core::{Error, Refused};
use diesel::connection::{Connection as DieselConnection, TransactionManager, TransactionManagerStatus};
use diesel::result::{Error as DieselError, QueryResult};

use super::scope::{self, Change, Unit};
use super::stage::{self, Asked};
use super::{Footing, Origin, Root, Transaction};

/// How a level that was begun through Diesel is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It is the root.
    Root,
    /// It is a savepoint at the start of what it has adopted: a root that had begun by itself and had written. Ok
    /// commits all of it, Err rolls back to the savepoint and leaves the rest as it was.
    Adopted,
    /// It is a savepoint.
    Savepoint,
}

/// The transaction manager of sessions and connections.
///
/// Diesel asks for it by type; nobody needs to name it. Behaviour that differs from Diesel's own: a root that began by
/// itself is not a transaction to nest into, RELEASE follows ROLLBACK TO, a transaction that has failed cannot be
/// committed, the closure's error is never replaced by that of a ROLLBACK, and a panic rolls back.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// session.transaction::<_, diesel::result::Error, _>(|session| {
///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)
/// })?;
/// assert!(!session.in_transaction()); // committed
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Manager(PhantomData<()>);

impl<U> TransactionManager<U> for Manager
where
    U: Unit + DieselConnection<TransactionManager = Self>,
{
    type TransactionStateData = Transaction;

    fn begin_transaction(unit: &mut U) -> QueryResult<()> {
        let level = begin(unit).map_err(Refused::wrap)?;
        unit.connection().transaction.manual.push(level);
        Ok(())
    }

    fn rollback_transaction(unit: &mut U) -> QueryResult<()> {
        let Some(level) = unit.connection().transaction.manual.pop() else {
            return Err(DieselError::NotInTransaction);
        };
        // What fails while rolling back has closed the connection, which rolls back as well: nothing is left to report
        // that the caller could act upon, and its own error must not be replaced.
        match level {
            Level::Root => {
                scope::rollback(unit);
            }
            Level::Adopted => {
                let depth = unit.connection().transaction.depth();
                scope::rollback_to(unit, depth);
                unit.connection().transaction.set_origin(Origin::Autobegun);
            }
            Level::Savepoint => {
                let depth = unit.connection().transaction.depth();
                scope::rollback_to(unit, depth);
            }
        }
        Ok(())
    }

    fn commit_transaction(unit: &mut U) -> QueryResult<()> {
        let Some(level) = unit.connection().transaction.manual.pop() else {
            return Err(DieselError::NotInTransaction);
        };
        let depth = unit.connection().transaction.depth();
        let result = match level {
            Level::Root => scope::commit(unit),
            Level::Adopted => match scope::release(unit, depth) {
                Ok(()) => scope::commit(unit),
                Err(error) => {
                    // What was there before goes back to whoever it belonged to: nobody.
                    unit.connection().transaction.set_origin(Origin::Autobegun);
                    Err(error)
                }
            },
            Level::Savepoint => scope::release(unit, depth),
        };
        if result.as_ref().is_err_and(Error::is_commit_unknown) {
            unit.follow(Change::Forgotten);
        }
        result.map_err(Refused::wrap)
    }

    fn transaction_manager_status_mut(unit: &mut U) -> &mut TransactionManagerStatus {
        unit.connection().transaction.mirror()
    }

    fn transaction<F, R, E>(unit: &mut U, callback: F) -> Result<R, E>
    where
        F: FnOnce(&mut U) -> Result<R, E>,
        E: From<DieselError>,
    {
        Self::begin_transaction(unit)?;
        // Unwind safety: what a panic leaves behind is thrown away with the transaction and the connection.
        match catch_unwind(AssertUnwindSafe(|| callback(unit))) {
            Ok(Ok(value)) => {
                Self::commit_transaction(unit)?;
                Ok(value)
            }
            Ok(Err(error)) => {
                if unit.connection().stopped {
                    scope::exit(unit, scope::STOPPED);
                }
                // It fails only where another connection was put in the place of the one that was lent.
                let _ = Self::rollback_transaction(unit);
                Err(error)
            }
            Err(payload) => {
                scope::exit(unit, scope::PANIC);
                let _ = Self::rollback_transaction(unit);
                resume_unwind(payload)
            }
        }
    }
}

fn begin<U: Unit>(unit: &mut U) -> Result<Level, Error> {
    unit.connection().refuse_if_cancelled()?;
    let footing = unit.connection().footing();
    // Inside a savepoint of ours there is an owner, whoever began the root.
    let explicit = footing == Footing::Explicit || unit.connection().transaction.depth() > 0;
    if !explicit {
        unit.connection()
            .refuse_in_autocommit("transaction", Characteristics::default())?;
    }
    // Objects that are only pending are work as well: they are flushed in front of the savepoint.
    let adopts = !explicit && (matches!(footing, Footing::AutobegunWritten(_)) || unit.pending().is_some());
    if explicit || adopts {
        unit.flush()?;
        unit.connection().set_savepoint()?;
        let depth = unit.connection().transaction.depth();
        unit.follow(Change::Savepoint(depth));
        if adopts {
            unit.connection().transaction.set_origin(Origin::Explicit);
            return Ok(Level::Adopted);
        }
        return Ok(Level::Savepoint);
    }
    if footing == Footing::AutobegunRead {
        unit.connection().end_read_root();
        unit.follow(Change::Superseded);
    }
    stage::begin_root(unit, Asked::default())?;
    Ok(Level::Root)
}

impl Transaction {
    /// Adoption changes hands; the server sees nothing of it.
    pub(super) fn set_origin(&mut self, to: Origin) {
        match &mut self.root {
            Root::Open { origin, .. } | Root::Doomed { origin, .. } => *origin = to,
            Root::Idle | Root::Autocommit => {}
        }
    }
}
