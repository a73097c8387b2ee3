//! Writing what is planned: statements for as many rows as one may have, and what their answers do to the objects.
//!
//! | File | What happens there |
//! |---|---|
//! | `insert` | INSERT, and the keys that the database has made |
//! | `update` | UPDATE of the columns that differ |
//! | `delete` | DELETE, or the mark of a deleted row |
//! | `fetch` | what the database alone knows after a write |
//! | `conflict` | a write has found fewer rows than there were: which one is missing, and why |

use std::time::SystemTime;

use aludel_core::{Dialect, Error, ErrorKind, Phase, Result};
use diesel::result::QueryResult;

use crate::connection::{Connection, no_text};
use crate::model::{Model, whole_microseconds};

mod conflict;
mod delete;
mod fetch;
mod insert;
mod update;

pub(crate) use conflict::version_conflict;
pub(super) use delete::delete;
pub(super) use insert::insert;
pub(super) use update::update;

/// What a flush writes with.
pub(crate) struct Writer<'a, C: Dialect> {
    pub(super) connection: &'a mut Connection<C>,
    /// At most so many rows in a statement.
    page_size: usize,
    /// The time that all rows of this flush are stamped with.
    now: SystemTime,
}

impl<'a, C: Dialect> Writer<'a, C> {
    pub(super) fn new(connection: &'a mut Connection<C>) -> Self {
        let engine = connection.engine();
        Self {
            page_size: engine.insertmanyvalues_page_size(),
            now: whole_microseconds(engine.clock().wall()),
            connection,
        }
    }

    /// How many rows with so many parameters each go into a statement.
    fn page(&self, parameters: usize) -> usize {
        (C::MAX_PARAMETERS / parameters.max(1)).clamp(1, self.page_size)
    }

    /// Whether INSERTs give back keys.
    fn uses_returning(&self) -> bool {
        C::HAS_RETURNING && self.connection.engine().implicit_returning()
    }

    /// A question of our own to the database.
    fn ask<T>(&mut self, question: impl FnOnce(&mut C) -> QueryResult<T>) -> Result<T> {
        self.connection.ready()?;
        Ok(self.connection.call(Phase::Statement, no_text, question)?)
    }
}

/// A statement has written another number of rows than it was given.
fn wrong_count<M: Model>(verb: &str, expected: usize, found: usize) -> Error {
    let text = format!(
        "{verb} of {expected} {} of {} has written {found}: a trigger or a rule of the database has kept rows from being \
         written",
        if expected == 1 { "row" } else { "rows" },
        M::NAME,
    );
    Error::object(ErrorKind::NotFound, text)
}
