//! Log lines, through `tracing`; and on standard error for those who asked with `echo` and have no subscriber.

use std::fmt;

use crate::event::Event;

/// What is shown of an engine, and under which name.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Log {
    /// Statements are shown even without a subscriber.
    pub echo: bool,
    /// The pool's doings are shown even without a subscriber.
    pub echo_pool: bool,
    /// Bind values are left out.
    pub hide_parameters: bool,
    /// Tells engines apart.
    pub name: Option<String>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            echo: false,
            echo_pool: false,
            hide_parameters: true,
            name: None,
        }
    }
}

impl Log {
    /// Whether anybody would see a statement: rendering one costs an allocation.
    pub fn wants_statements(&self) -> bool {
        self.echo || tracing::enabled!(target: "aludel.engine", tracing::Level::DEBUG)
    }

    /// Shows a statement as it is sent.
    pub fn statement(&self, connection: u64, text: &str) {
        let name = self.name();
        if self.printed(self.echo, "aludel.engine", format_args!("#{connection} {text}")) {
            return;
        }
        if self.echo {
            tracing::info!(target: "aludel.engine", engine = name, connection, "{text}");
        } else {
            tracing::debug!(target: "aludel.engine", engine = name, connection, "{text}");
        }
    }

    /// Shows an event.
    pub fn event(&self, event: &Event<'_>) {
        let name = self.name();
        match event {
            // Their statements were shown when they were sent.
            Event::Begin { .. }
            | Event::Commit { .. }
            | Event::Rollback { .. }
            | Event::Savepoint { .. }
            | Event::ReleaseSavepoint { .. }
            | Event::RollbackToSavepoint { .. } => {}
            Event::DroppedUncommitted { first_write } => {
                let text = "a session was dropped with uncommitted writes, which are rolled back; call commit() or \
                            rollback()";
                if !self.printed(
                    self.echo,
                    "aludel.session",
                    format_args!("{text}; first write: {first_write}"),
                ) {
                    tracing::warn!(target: "aludel.session", engine = name, first_write, "{text}");
                }
            }
            Event::CommitUnknown { .. } | Event::PoolTimeout { .. } => {
                if !self.printed(self.echo, "aludel.session", format_args!("{event:?}")) {
                    tracing::warn!(target: "aludel.session", engine = name, "{event:?}");
                }
            }
            Event::Fault { .. } | Event::Doomed { .. } | Event::Rerun { .. } => {
                if !self.printed(self.echo, "aludel.session", format_args!("{event:?}")) {
                    tracing::info!(target: "aludel.session", engine = name, "{event:?}");
                }
            }
            Event::Retire { .. } | Event::Invalidate { .. } => {
                if !self.printed(self.echo_pool, "aludel.pool", format_args!("{event:?}")) {
                    tracing::info!(target: "aludel.pool", engine = name, "{event:?}");
                }
            }
            _ => {
                if !self.printed(self.echo_pool, "aludel.pool", format_args!("{event:?}")) {
                    tracing::debug!(target: "aludel.pool", engine = name, "{event:?}");
                }
            }
        }
    }

    /// Prints a line for those who asked to see it and have nobody else to show it to.
    fn printed(&self, wanted: bool, target: &str, text: fmt::Arguments<'_>) -> bool {
        let prints = wanted && !has_subscriber();
        if prints {
            line(target, self.name(), text);
        }
        prints
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

fn has_subscriber() -> bool {
    tracing::dispatcher::has_been_set()
}

fn line(target: &str, name: &str, text: fmt::Arguments<'_>) {
    if name.is_empty() {
        eprintln!("{target}  {text}");
    } else {
        eprintln!("{target}.{name}  {text}");
    }
}
