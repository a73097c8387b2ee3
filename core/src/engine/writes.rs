//! How sessions of an engine write their objects.

use super::Engine;
use crate::dialect::Dialect;

/// What the builder was told.
#[derive(Debug)]
pub(in crate::engine) struct Writes {
    /// None: the dialect's.
    pub(in crate::engine) page_size: Option<usize>,
    pub(in crate::engine) implicit_returning: bool,
}

impl Default for Writes {
    fn default() -> Self {
        Self {
            page_size: None,
            implicit_returning: true,
        }
    }
}

impl<C: Dialect> Engine<C> {
    /// At most so many rows are inserted, updated or deleted by one statement of a flush; see
    /// [`EngineBuilder::insertmanyvalues_page_size`](crate::EngineBuilder::insertmanyvalues_page_size).
    pub fn insertmanyvalues_page_size(&self) -> usize {
        self.0.writes.page_size.unwrap_or(C::PAGE_SIZE)
    }

    /// Whether keys that the database makes are learned by RETURNING, where it has that; see
    /// [`EngineBuilder::implicit_returning`](crate::EngineBuilder::implicit_returning).
    pub fn implicit_returning(&self) -> bool {
        self.0.writes.implicit_returning
    }
}
