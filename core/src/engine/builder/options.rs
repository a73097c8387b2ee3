//! How transactions run unless they say otherwise.

use super::EngineBuilder;
use crate::dialect::{Dialect, IsolationLevel};

impl<C: Dialect> EngineBuilder<C> {
    /// The isolation level of every transaction; default: the server's.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = Some(level);
        self
    }
}
