//! One statement, until it has an answer or there are no retries left.

use std::time::Instant;

use aludel_core::retry::{RetryEnd, RetryReport};
use aludel_core::{Class, Dialect, Error, ErrorKind, Event, ExecutionOptions, IsolationLevel, Result};
use diesel::result::QueryResult;

use super::Reconnecting;
use crate::connection::Connection;

/// How a reader's statements run.
const READING: ExecutionOptions = ExecutionOptions::new()
    .isolation_level(IsolationLevel::Autocommit)
    .read_only();

impl<C: Dialect> Reconnecting<C> {
    /// Calls `read` with a connection until it has an answer, or an error that repeating it would not mend, or there are no
    /// retries left. What it answers inside of `Ok` is final, error or not: rows were handed out.
    ///
    /// SQLAlchemy's recipe compares its counter with a number that it never gets to, so it does not raise: it runs the
    /// statement once more on the cursor that is dead.
    #[track_caller]
    pub(super) fn repeat<T>(&self, mut read: impl FnMut(&mut Connection<C>) -> QueryResult<Result<T>>) -> Result<T> {
        let mut connection = Connection::new(self.engine.clone(), true);
        connection.execution_options(READING)?;
        if let Some(token) = &self.cancel_token {
            connection.set_cancel_token(token.clone());
        }
        let started = self.engine.clock().now();
        let mut first = None;
        let mut report = RetryReport::begun();
        loop {
            connection.transaction.forget_faults();
            let answer = read(&mut connection);
            // The connection is back: what an error has done is judged, and what only its words say is confirmed.
            connection.settle();
            let (error, handed_out) = match answer {
                Ok(Ok(value)) => {
                    if report.attempts() > 1 {
                        self.end(&mut report, RetryEnd::Succeeded, started);
                    }
                    return Ok(value);
                }
                Ok(Err(error)) => (confirmed(&connection, error), true),
                Err(error) => (Error::from(error), false),
            };
            // What a retry in the caller's own code has to report is not ours to write over.
            if error.is_exit() || (handed_out && error.retry_report().is_some()) {
                return Err(error);
            }
            report.failed(error.class(), &error.first_cause());
            let end = if !lost_its_server(&error) {
                RetryEnd::NotRerun
            } else if handed_out {
                RetryEnd::HandedOut
            } else if report.attempts() > self.num_retries {
                RetryEnd::Attempts
            } else {
                self.pause(&connection, &mut report, &error)?;
                first.get_or_insert(error);
                continue;
            };
            self.end(&mut report, end, started);
            let error = match end {
                RetryEnd::Attempts => first_of(first, error),
                _ => error,
            };
            return Err(error.with_retry_report(report));
        }
    }

    /// Until the next try, unless the token ends it.
    fn pause(&self, connection: &Connection<C>, report: &mut RetryReport, error: &Error) -> Result<()> {
        self.engine.emit(&Event::Reconnecting {
            connection: connection.number(),
            retry: report.attempts(),
            num_retries: self.num_retries,
            class: error.class(),
            delay: self.retry_interval,
            cause: &error.first_cause(),
        });
        connection
            .cancel_token()
            .sleep(self.engine.clock(), self.retry_interval)?;
        report.slept_for(self.retry_interval);
        report.next_attempt();
        Ok(())
    }

    fn end(&self, report: &mut RetryReport, end: RetryEnd, started: Instant) {
        report.ended(end, self.engine.clock().now() - started);
        if report.is_news() {
            self.engine.emit(&Event::RetryEnded {
                function: "a reader's statement",
                report,
            });
        }
    }
}

/// An error of a row on its way through the caller's code may have had the words of a disconnect, and no more.
fn confirmed<C: Dialect>(connection: &Connection<C>, error: Error) -> Error {
    match connection.transaction.decisive_fault() {
        Some(fault) if error.as_diesel().is_some() && error.first_cause() == fault.message() => {
            error.with_verdict(fault.verdict())
        }
        _ => error,
    }
}

/// Whether it is the server that is missing, and not the answer that is bad. Busy says so only of connecting: of a statement
/// it is said by a server that is there, of a lock.
fn lost_its_server(error: &Error) -> bool {
    match error.class() {
        Class::Disconnect | Class::Failover => true,
        Class::Busy => error.kind() == ErrorKind::Connect,
        _ => false,
    }
}

/// The first error stays the error; the last one is told where it says something else.
fn first_of(first: Option<Error>, last: Error) -> Error {
    match first {
        None => last,
        Some(first) if first.first_cause() == last.first_cause() => first,
        Some(first) => first.with_later(last),
    }
}
