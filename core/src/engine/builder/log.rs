//! What is shown, and under which name.

use super::EngineBuilder;
use crate::dialect::Dialect;

impl<C: Dialect> EngineBuilder<C> {
    /// Shows each statement, through `tracing` if the program has set that up and on standard error otherwise.
    pub fn echo(mut self, echo: bool) -> Self {
        self.log.echo = echo;
        self
    }

    /// Shows what the pool does, in the same way.
    pub fn echo_pool(mut self, echo: bool) -> Self {
        self.log.echo_pool = echo;
        self
    }

    /// Keeps bind values out of what `echo` shows; default true. Errors and events contain none of ours either way; a
    /// server may quote one in its own words.
    pub fn hide_parameters(mut self, hide: bool) -> Self {
        self.log.hide_parameters = hide;
        self
    }

    /// A name that log lines carry, to tell engines apart.
    pub fn logging_name(mut self, name: impl Into<String>) -> Self {
        self.log.name = Some(name.into());
        self
    }
}
