//! One statement as those who watch see it: the log, listeners, and `tracing`'s spans.

use std::sync::Arc;
use std::time::Instant;

use aludel_core::clock::Clock;
use aludel_core::event::Listeners;
use aludel_core::{Control, Dialect, Engine, Event};
use diesel::result::QueryResult;
use diesel::row::{Field as _, Row};
use tracing::Span;

use super::Connection;

/// What a statement's end is told to, also when a panic cuts it short. Nobody watches an empty one, which costs a few loads.
pub(crate) struct Watch(Option<Box<Watched>>);

struct Watched {
    span: Span,
    sql: String,
    connection: u64,
    started: Instant,
    clock: Clock,
    listeners: Listeners,
}

impl Watch {
    /// Runs the call to the driver inside of the statement's span.
    #[inline]
    pub(crate) fn inside<T>(&self, call: impl FnOnce() -> T) -> T {
        match &self.0 {
            None => call(),
            Some(watched) => watched.span.in_scope(call),
        }
    }

    /// The statement has ended; `rows` were read or changed.
    #[inline]
    pub(crate) fn finish(mut self, rows: Option<usize>, failed: bool) {
        self.end(rows, failed);
    }

    /// The same for one that cannot be given away.
    #[inline]
    pub(super) fn end(&mut self, rows: Option<usize>, failed: bool) {
        if let Some(watched) = self.0.take() {
            watched.end(rows, failed);
        }
    }
}

impl Watched {
    #[cold]
    fn end(&self, rows: Option<usize>, failed: bool) {
        if let Some(rows) = rows {
            self.span.record("db.response.returned_rows", rows);
        }
        if failed {
            self.span.record("otel.status_code", "ERROR");
        }
        if self.listeners.wants_statements() {
            self.listeners.emit_statement(&Event::Statement {
                connection: self.connection,
                sql: &self.sql,
                duration: self.clock.now().saturating_duration_since(self.started),
                rows,
                failed,
            });
        }
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        self.end(None, true);
    }
}

impl<C: Dialect> Connection<C> {
    /// A statement is about to be sent: it is logged, and those who listen are told. `text` is asked for it with its
    /// values, or without them.
    #[inline]
    pub(crate) fn watch(&self, text: impl Fn(bool) -> QueryResult<String>) -> Watch {
        if self.is_watched() {
            self.statement_watched(text)
        } else {
            Watch(None)
        }
    }

    #[cold]
    fn statement_watched(&self, text: impl Fn(bool) -> QueryResult<String>) -> Watch {
        let log = self.engine.log();
        // One that cannot be rendered is not sent either.
        let Ok(sql) = text(false) else { return Watch(None) };
        if log.wants_statements() {
            let shown = if log.hides_parameters() { None } else { text(true).ok() };
            log.statement(self.number(), self.token(), shown.as_deref().unwrap_or(&sql));
        }
        self.watched(sql)
    }

    /// The same for a statement of transaction control, which the log shows in SQLAlchemy's words.
    #[inline]
    pub(crate) fn watch_control(&self, control: Control) -> Watch {
        if self.is_watched() {
            self.control_watched(control)
        } else {
            Watch(None)
        }
    }

    #[cold]
    fn control_watched(&self, control: Control) -> Watch {
        let log = self.engine.log();
        if log.wants_statements() {
            log.control(self.number(), self.token(), control);
        }
        self.watched(control.sql().into_owned())
    }

    /// Logs what was not sent, in the place of a statement.
    pub(super) fn say(&self, text: &str) {
        let log = self.engine.log();
        if log.wants_statements() {
            log.statement(self.number(), self.token(), text);
        }
    }

    #[inline]
    fn is_watched(&self) -> bool {
        self.engine.log().wants_statements() || self.engine.listeners().wants_statements()
    }

    fn watched(&self, sql: String) -> Watch {
        let listeners = self.engine.listeners();
        if listeners.wants_statements() {
            listeners.emit_statement(&Event::BeforeStatement {
                connection: self.number(),
                sql: &sql,
            });
        }
        let url = self.engine.url();
        let span = tracing::debug_span!(
            target: "aludel.engine",
            "statement",
            otel.kind = "client",
            otel.name = operation(&sql),
            otel.status_code = tracing::field::Empty,
            db.system.name = self.engine.system_name(),
            db.operation.name = operation(&sql),
            db.query.text = sql.as_str(),
            db.namespace = url.database(),
            server.address = url.host(),
            server.port = url.port(),
            db.client.connection.pool.name = self.engine.pool_logging_name(),
            db.client.connection.id = self.number(),
            db.response.returned_rows = tracing::field::Empty,
        );
        Watch(Some(Box::new(Watched {
            span,
            sql,
            connection: self.number(),
            started: self.engine.clock().now(),
            clock: self.engine.clock().clone(),
            listeners: listeners.clone(),
        })))
    }

    /// What stands before this connection's lines.
    pub(crate) fn token(&self) -> Option<&str> {
        self.logging_token
            .as_deref()
            .or_else(|| self.engine.log().token().map(|token| &**token))
    }

    /// Shows the rows of the statement that was just sent, if anybody wants to see them.
    pub(super) fn watch_rows(&self) -> Option<Rows> {
        self.engine.log().wants_rows().then(|| Rows {
            token: self.token().map(Arc::from),
            named: false,
        })
    }
}

/// The rows of one statement on their way to the log.
pub(super) struct Rows {
    token: Option<Arc<str>>,
    /// The names of the columns have been shown.
    named: bool,
}

impl Rows {
    pub(super) fn show<'row, C: Dialect>(
        &mut self,
        engine: &Engine<C>,
        connection: u64,
        row: &impl Row<'row, C::Backend>,
    ) {
        let log = engine.log();
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for index in 0..row.field_count() {
            let Some(field) = row.get(index) else { continue };
            if !self.named {
                names.push(field.field_name().unwrap_or("?").to_owned());
            }
            let value = field.value().map(|value| C::show_value(value, log.hides_parameters()));
            values.push(value.unwrap_or_else(|| "NULL".to_owned()));
        }
        if !self.named {
            self.named = true;
            let names = format!("Col {}", aludel_core::log::shown_row(&names));
            log.row(connection, self.token.as_deref(), &names);
        }
        let values = format!("Row {}", aludel_core::log::shown_row(&values));
        log.row(connection, self.token.as_deref(), &values);
    }

    pub(super) fn end<C: Dialect>(self, engine: &Engine<C>, connection: u64, count: usize) {
        engine
            .log()
            .row(connection, self.token.as_deref(), &format!("Rows read: {count}"));
    }
}

/// A statement's first word, in capital letters: what OpenTelemetry calls its operation.
fn operation(sql: &str) -> String {
    let word = sql.split(|character: char| !character.is_ascii_alphabetic());
    word.into_iter()
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_ascii_uppercase()
}
