//! How sessions of an engine write their objects.

use std::sync::OnceLock;

use diesel::result::QueryResult;

use super::Engine;
use crate::dialect::Dialect;

/// Rows of one statement: enough for the round trip and the parsing to be shared by many, few enough for a server's packet.
const PAGE_SIZE: usize = 1000;

/// What the builder was told, and what the server was asked.
#[derive(Debug)]
pub(in crate::engine) struct Writes {
    pub(in crate::engine) page_size: usize,
    pub(in crate::engine) implicit_returning: bool,
    /// Whether the server has RETURNING.
    returning: OnceLock<bool>,
}

impl Default for Writes {
    fn default() -> Self {
        Self {
            page_size: PAGE_SIZE,
            implicit_returning: true,
            returning: OnceLock::new(),
        }
    }
}

impl<C: Dialect> Engine<C> {
    /// At most so many rows are inserted, updated or deleted by one statement of a flush; see
    /// [`EngineBuilder::insertmanyvalues_page_size`](crate::EngineBuilder::insertmanyvalues_page_size).
    pub fn insertmanyvalues_page_size(&self) -> usize {
        self.0.writes.page_size
    }

    /// Whether keys that the database makes are learned by RETURNING, where it has that; see
    /// [`EngineBuilder::implicit_returning`](crate::EngineBuilder::implicit_returning).
    pub fn implicit_returning(&self) -> bool {
        self.0.writes.implicit_returning
    }

    /// Whether INSERTs are sent with RETURNING. The server is asked once. For the layers above.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    #[doc(hidden)]
    pub fn uses_returning(&self, raw: &mut C) -> QueryResult<bool> {
        if !self.implicit_returning() {
            return Ok(false);
        }
        if let Some(&known) = self.0.writes.returning.get() {
            return Ok(known);
        }
        let has = raw.has_returning()?;
        Ok(*self.0.writes.returning.get_or_init(|| has))
    }
}
