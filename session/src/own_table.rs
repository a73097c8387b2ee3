//! The tables of our own: looked for once an engine, and made where they are missing.
//!
//! DDL would commit a transaction on MariaDB, and a failing statement abort one on PostgreSQL; so this happens before BEGIN,
//! on the very connection that the transaction will have.

use aludel_core::{Dialect, Engine, Error, Flavour, Phase, Result};
use diesel::result::QueryResult;

use crate::connection::{Connection, no_text};

/// What is to be known of a table of ours.
pub(crate) trait OwnTable {
    /// What is remembered of one that was found.
    type Known: Copy;

    const NAME: &'static str;

    /// What cannot be done without it.
    const WITHOUT: &'static str;

    /// The call that makes it.
    const CREATE: &'static str;

    /// What has its statements, for those who make it by migration.
    const SQL: &'static str;

    fn sql(flavour: Flavour) -> &'static str;

    /// Whether it can be made in the very transaction that needs it, and vanish with that one.
    fn is_of_the_transaction(flavour: Flavour) -> bool;

    fn known<C: Dialect>(engine: &Engine<C>) -> Option<Self::Known>;

    fn remember<C: Dialect>(engine: &Engine<C>, known: Option<Self::Known>);

    /// It never fails where the table is missing.
    fn find<C: Dialect>(raw: &mut C) -> QueryResult<Option<Self::Known>>;

    fn make<C: Dialect>(raw: &mut C) -> QueryResult<()>;
}

/// Makes the table, if it is not there.
#[track_caller]
pub(crate) fn create<T: OwnTable, C: Dialect>(engine: &Engine<C>) -> Result<()> {
    let mut connection = Connection::new(engine.clone(), false);
    connection.connected()?;
    let result = connection.ensure_table::<T>();
    connection.release();
    result.map(drop).map_err(Error::from)
}

impl<C: Dialect> Connection<C> {
    /// Looks for the table, and makes it where it is missing; outside a transaction.
    pub(crate) fn ensure_table<T: OwnTable>(&mut self) -> QueryResult<T::Known> {
        if let Some(known) = T::known(self.engine()) {
            return Ok(known);
        }
        let known = match self.look_for_table::<T>()? {
            Some(known) => known,
            None => self.make_table::<T>()?,
        };
        T::remember(self.engine(), Some(known));
        Ok(known)
    }

    /// It never fails where the table is missing.
    pub(crate) fn look_for_table<T: OwnTable>(&mut self) -> QueryResult<Option<T::Known>> {
        self.call(Phase::Begin, no_text, T::find)
    }

    fn make_table<T: OwnTable>(&mut self) -> QueryResult<T::Known> {
        let text = || Some(T::sql(C::FLAVOUR).to_owned());
        let made = self.call(Phase::Begin, text, T::make);
        // Of two that make it at once PostgreSQL refuses one, when the other's is there.
        let refused = match made {
            Err(error) if !self.is_connected() => return Err(error),
            made => made.err(),
        };
        let (name, without, sql) = (T::NAME, T::WITHOUT, T::SQL);
        match (self.look_for_table::<T>()?, refused) {
            (Some(known), _) => {
                self.transaction.forget_faults();
                Ok(known)
            }
            (None, Some(error)) => Err(Error::from(error)
                .with_later(Error::misuse(format!(
                    "the table {name}, without which {without}, is missing: make it by migration ({sql}), as somebody who \
                     may"
                )))
                .into()),
            (None, None) => Err(Error::misuse(format!(
                "the table {name} was made and is not there: another one has its name, or the server hides it"
            ))
            .into()),
        }
    }

    /// The same inside a transaction: made in that one, or else on a connection of its own where nothing is in its way.
    pub(crate) fn table_inside<T: OwnTable>(&mut self) -> Result<T::Known> {
        if let Some(known) = T::known(self.engine()) {
            return Ok(known);
        }
        let found = self.call(Phase::Statement, no_text, T::find)?;
        if let Some(known) = found {
            T::remember(self.engine(), Some(known));
            return Ok(known);
        }
        if T::is_of_the_transaction(C::FLAVOUR) {
            // Another connection could not, while this one has the write lock.
            let text = || Some(T::sql(C::FLAVOUR).to_owned());
            self.call(Phase::Statement, text, T::make)
                .map_err(|error| self.explain(error))?;
            let found = self.call(Phase::Statement, no_text, T::find)?;
            return found.ok_or_else(|| Error::misuse(format!("the table {} was made and is not there", T::NAME)));
        }
        let (name, call, sql) = (T::NAME, T::CREATE, T::SQL);
        create::<T, C>(self.engine()).map_err(|error| {
            Error::misuse(format!(
                "the table {name} is not there, and could not be made while this transaction is open; call {call} once \
                 before, or make it by migration ({sql})"
            ))
            .with_later(error)
        })?;
        T::known(self.engine()).ok_or_else(|| {
            Error::misuse(format!(
                "the table {name} was made and is not there: was it dropped at the same time?"
            ))
        })
    }
}
