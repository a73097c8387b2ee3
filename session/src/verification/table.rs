//! The table of tokens: looked for once an engine, and made where it is missing.
//!
//! DDL would commit a transaction on MariaDB, and a failing statement abort one on PostgreSQL; so this happens before BEGIN,
//! on the very connection that the transaction will have.

use aludel_core::verify::{CommitTable, KnownTable};
use aludel_core::{Dialect, Engine, Error, Phase, Result};
use diesel::result::QueryResult;

use crate::connection::{Connection, no_text};

/// Makes the table, if it is not there.
#[track_caller]
pub(crate) fn create<C: Dialect>(engine: &Engine<C>) -> Result<()> {
    let mut connection = Connection::new(engine.clone(), false);
    connection.connected()?;
    let result = connection.ensure_commit_table();
    connection.release();
    result.map(drop).map_err(Error::from)
}

impl<C: Dialect> Connection<C> {
    /// Looks for the table, and makes it where it is missing; outside a transaction.
    pub(crate) fn ensure_commit_table(&mut self) -> QueryResult<KnownTable> {
        if let Some(known) = self.engine().known_commit_table() {
            return Ok(known);
        }
        let known = match self.look_for_commit_table()? {
            Some(known) => known,
            None => self.make_commit_table()?,
        };
        self.engine().remember_commit_table(Some(known));
        Ok(known)
    }

    /// It never fails where the table is missing.
    pub(super) fn look_for_commit_table(&mut self) -> QueryResult<Option<KnownTable>> {
        self.call(Phase::Begin, no_text, C::find_commit_table)
    }

    fn make_commit_table(&mut self) -> QueryResult<KnownTable> {
        let text = || Some(CommitTable::sql(C::FLAVOUR).to_owned());
        let made = self.call(Phase::Begin, text, C::make_commit_table);
        // Of two that make it at once PostgreSQL refuses one, when the other's is there.
        let refused = match made {
            Err(error) if !self.is_connected() => return Err(error),
            made => made.err(),
        };
        match (self.look_for_commit_table()?, refused) {
            (Some(known), _) => {
                self.transaction.forget_faults();
                Ok(known)
            }
            (None, Some(error)) => Err(Error::from(error)
                .with_later(Error::misuse(
                    "the table aludel_commits, without which no COMMIT can be verified, is missing: make it by migration \
                     (CommitTable::sql), as somebody who may",
                ))
                .into()),
            (None, None) => Err(Error::misuse(
                "the table aludel_commits was made and is not there: another one has its name, or the server hides it",
            )
            .into()),
        }
    }

    /// The same inside a transaction: made on a connection of its own, and without it where the transaction is in its way.
    pub(super) fn commit_table_inside(&mut self) -> Result<KnownTable> {
        if let Some(known) = self.engine().known_commit_table() {
            return Ok(known);
        }
        let found = self.call(Phase::Statement, no_text, C::find_commit_table)?;
        if let Some(known) = found {
            self.engine().remember_commit_table(Some(known));
            return Ok(known);
        }
        create(self.engine()).map_err(|error| {
            Error::misuse(
                "the table aludel_commits is not there, and could not be made while this transaction is open; call \
                 engine.create_commit_table() once before, or make it by migration (CommitTable::sql)",
            )
            .with_later(error)
        })?;
        self.engine().known_commit_table().ok_or_else(|| {
            Error::misuse("the table aludel_commits was made and is not there: was it dropped at the same time?")
        })
    }
}
