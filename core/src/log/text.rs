//! The words and the level of each event. They are SQLAlchemy's where it has some, with a connection's number in the
//! place of an object's address.

use std::fmt;

use tracing::Level;

use crate::event::Event;
use crate::pool::ResetOnReturn;
use crate::retry::{RetryEnd, RetryReport};

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Engine,
    Pool,
    Session,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "aludel.engine",
            Self::Pool => "aludel.pool",
            Self::Session => "aludel.session",
        })
    }
}

/// An event on its way to the log.
pub(super) struct Told<'a> {
    pub(super) target: Target,
    pub(super) level: Level,
    pub(super) connection: u64,
    pub(super) text: Text<'a>,
}

pub(super) struct Text<'a> {
    event: &'a Event<'a>,
    reset: ResetOnReturn,
}

impl<'a> Told<'a> {
    /// `None` for what is shown in another way: statements, those of transaction control included, when they are sent.
    pub(super) fn of(event: &'a Event<'a>, reset: ResetOnReturn) -> Option<Self> {
        let (target, level, connection) = match *event {
            Event::Begin { .. }
            | Event::Commit { .. }
            | Event::Rollback { .. }
            | Event::Savepoint { .. }
            | Event::ReleaseSavepoint { .. }
            | Event::RollbackToSavepoint { .. }
            | Event::FirstConnect { .. }
            | Event::BeforeStatement { .. }
            | Event::Statement { .. }
            | Event::EngineConnect { .. }
            | Event::EngineDisposed
            | Event::SetExecutionOptions { .. } => return None,
            Event::Connect { connection }
            | Event::Checkout { connection, .. }
            | Event::Checkin { connection }
            | Event::Reset { connection }
            | Event::Ping { connection, .. }
            | Event::Close { connection }
            | Event::Detach { connection }
            | Event::CloseDetached { connection } => (Target::Pool, Level::DEBUG, connection),
            Event::ConnectFailed { .. } => (Target::Pool, Level::DEBUG, 0),
            Event::Invalidate { connection, .. }
            | Event::SoftInvalidate { connection, .. }
            | Event::Recycle { connection, .. }
            | Event::CaughtUp { connection, .. } => (Target::Pool, Level::INFO, connection),
            Event::Retire { .. }
            | Event::Dispose { .. }
            | Event::Recreate
            | Event::Abandon { .. }
            | Event::Forked { .. } => (Target::Pool, Level::INFO, 0),
            Event::Leak { holder } => (Target::Pool, Level::WARN, holder.connection.unwrap_or(0)),
            Event::LeftBehind { connection, .. } | Event::InMemoryDatabaseLost { connection, .. } => {
                (Target::Pool, Level::WARN, connection)
            }
            Event::PoolTimeout { .. } => (Target::Pool, Level::WARN, 0),
            Event::Fault { connection, .. } | Event::Doomed { connection, .. } => {
                (Target::Session, Level::INFO, connection)
            }
            Event::Rerun { .. } | Event::CommitResolved { .. } => (Target::Session, Level::INFO, 0),
            Event::RetryEnded { report, .. } => {
                let good = matches!(report.end(), RetryEnd::Succeeded | RetryEnd::Cancelled);
                (Target::Session, if good { Level::INFO } else { Level::WARN }, 0)
            }
            Event::CommitUnknown { connection, .. } | Event::ImplicitCommit { connection, .. } => {
                (Target::Session, Level::WARN, connection)
            }
            Event::DroppedUncommitted { .. } => (Target::Session, Level::WARN, 0),
            Event::Reconnecting { connection, .. } => (Target::Engine, Level::WARN, connection),
        };
        Some(Self {
            target,
            level,
            connection,
            text: Text { event, reset },
        })
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.event {
            Event::Connect { connection } => write!(f, "Created new connection {connection}"),
            Event::ConnectFailed { error } => write!(f, "Error on connect(): {error}"),
            Event::Checkout { connection, .. } => write!(f, "Connection {connection} checked out from pool"),
            Event::Checkin { connection } => write!(f, "Connection {connection} being returned to pool"),
            Event::Reset { connection } => match self.reset {
                ResetOnReturn::Commit => write!(f, "Connection {connection} commit-on-return"),
                ResetOnReturn::Full => write!(f, "Connection {connection} full-reset-on-return"),
                _ => write!(f, "Connection {connection} rollback-on-return"),
            },
            Event::Ping {
                connection,
                alive: true,
            } => write!(f, "Pool pre-ping on connection {connection}"),
            Event::Ping { connection, .. } => {
                write!(
                    f,
                    "Pool pre-ping on connection {connection} failed, will invalidate pool"
                )
            }
            Event::Close { connection } => write!(f, "Closing connection {connection}"),
            Event::Detach { connection } => write!(f, "Connection {connection} detached from pool"),
            Event::CloseDetached { connection } => write!(f, "Closing detached connection {connection}"),
            Event::Invalidate { connection, reason } => {
                write!(f, "Invalidate connection {connection} (reason: {reason})")
            }
            Event::SoftInvalidate { connection, reason } => {
                write!(f, "Soft invalidate connection {connection} (reason: {reason})")
            }
            Event::Recycle { connection, cause } => write!(f, "Connection {connection} {cause}"),
            Event::Retire { generation, reason } => write!(
                f,
                "invalidating all pooled connections prior to generation {generation} (reason: {reason})"
            ),
            Event::Dispose { .. } => f.write_str("Pool disposed."),
            Event::Recreate => f.write_str("Pool recreating"),
            Event::Abandon { left } => write!(f, "Pool abandoned; {left} connections are left as they are"),
            Event::Forked { left } => write!(
                f,
                "This process is a forked child; {left} connections of its parent are left alone"
            ),
            Event::Leak { holder } => write!(f, "Possible leak: {holder}"),
            Event::LeftBehind { step, connection: 0 } => {
                write!(
                    f,
                    "A {step} did not end within pool_timeout; a helper thread waits for it"
                )
            }
            Event::LeftBehind { step, connection } => write!(
                f,
                "A {step} of connection {connection} did not end within pool_timeout; a helper thread waits for it"
            ),
            Event::CaughtUp { step, alive, .. } => write!(
                f,
                "A {step} that was left behind has ended {}; its place is free again",
                if alive { "well" } else { "badly" }
            ),
            Event::InMemoryDatabaseLost { connection, reason } => write!(
                f,
                "The database in memory is lost: its connection {connection} was closed (reason: {reason})"
            ),
            Event::PoolTimeout { waited } => write!(
                f,
                "Connection timed out: none came back to the pool in {:.2} s",
                waited.as_secs_f64()
            ),
            ref other => of_transaction(f, other),
        }
    }
}

/// What a session has to tell.
fn of_transaction(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    match *event {
        Event::Fault {
            class, phase, message, ..
        } => write!(f, "{phase:?} failed ({class}): {message}"),
        Event::Doomed { cause, .. } => write!(f, "The transaction takes nothing but its rollback: {cause}"),
        Event::ImplicitCommit { sql, .. } => write!(
            f,
            "The transaction was committed by a statement in it, and what came before cannot be rolled back: {sql}"
        ),
        Event::CommitUnknown { cause, .. } => write!(
            f,
            "COMMIT was sent and its answer never came, it may or may not have happened: {cause}"
        ),
        Event::CommitResolved { token, resolution } => {
            write!(f, "The COMMIT with the token {token} was resolved: {resolution}")
        }
        Event::Rerun {
            function,
            attempt,
            class,
            delay,
            cause,
        } => write!(
            f,
            "{function} runs again, attempt {attempt}, after {class} and {:.3} s: {cause}",
            delay.as_secs_f64()
        ),
        Event::RetryEnded { function, report } => {
            let end = if report.succeeded() {
                "has succeeded"
            } else {
                "has failed"
            };
            write!(f, "{function} {end}, {report}; ")?;
            causes(f, report)
        }
        Event::Reconnecting { .. } => reconnecting(f, event),
        Event::DroppedUncommitted { first_write } => write!(
            f,
            "a session was dropped with uncommitted writes, which are rolled back; call commit() or rollback(); \
             first write: {first_write}"
        ),
        // `of` has left these out.
        ref other => write!(f, "{other:?}"),
    }
}

/// What went wrong on the way: the last few causes, which are the ones to look at.
fn causes(f: &mut fmt::Formatter<'_>, report: &RetryReport) -> fmt::Result {
    const SHOWN: usize = 3;
    let failures = report.failures();
    f.write_str("what had failed: ")?;
    if failures.len() > SHOWN {
        f.write_str("..; ")?;
    }
    for (index, failed) in failures.iter().rev().take(SHOWN).rev().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        write!(f, "{separator}{}: {}", failed.class(), failed.cause())?;
        if failed.times() > 1 {
            write!(f, " ({} times)", failed.times())?;
        }
    }
    Ok(())
}

/// SQLAlchemy's recipe logs it without the rest.
fn reconnecting(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    let Event::Reconnecting {
        retry,
        num_retries,
        delay,
        cause,
        ..
    } = event
    else {
        return Ok(());
    };
    write!(
        f,
        "disconnection error, retrying operation ({retry} of {num_retries}, in {:.3} s): {cause}",
        delay.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::classify::Class;
    use crate::event::{RecycleCause, Step};
    use crate::retry::{Bucket, Course, Failed, Next, RetryBudget, RetryPolicy};

    fn told(event: &Event<'_>) -> String {
        let told = Told::of(event, ResetOnReturn::Rollback).expect("it is shown");
        format!("{} {} {}", told.level, told.target, told.text)
    }

    #[test]
    fn the_pools_texts_are_sqlalchemys() {
        let reason = "OperationalError:server closed";
        for (event, text) in [
            (
                Event::Connect { connection: 7 },
                "DEBUG aludel.pool Created new connection 7",
            ),
            (
                Event::Recycle {
                    connection: 7,
                    cause: RecycleCause::Age,
                },
                "INFO aludel.pool Connection 7 exceeded timeout; recycling",
            ),
            (
                Event::Recycle {
                    connection: 7,
                    cause: RecycleCause::Retired,
                },
                "INFO aludel.pool Connection 7 invalidated due to pool invalidation; recycling",
            ),
            (
                Event::Recycle {
                    connection: 7,
                    cause: RecycleCause::SoftInvalidated,
                },
                "INFO aludel.pool Connection 7 invalidated due to local soft invalidation; recycling",
            ),
            (
                Event::Invalidate { connection: 7, reason },
                "INFO aludel.pool Invalidate connection 7 (reason: OperationalError:server closed)",
            ),
            (
                Event::SoftInvalidate { connection: 7, reason },
                "INFO aludel.pool Soft invalidate connection 7 (reason: OperationalError:server closed)",
            ),
            (
                Event::Ping {
                    connection: 7,
                    alive: true,
                },
                "DEBUG aludel.pool Pool pre-ping on connection 7",
            ),
            (
                Event::Ping {
                    connection: 7,
                    alive: false,
                },
                "DEBUG aludel.pool Pool pre-ping on connection 7 failed, will invalidate pool",
            ),
            (Event::Dispose { generation: 1 }, "INFO aludel.pool Pool disposed."),
        ] {
            assert_eq!(told(&event), text);
        }
        let commit = Told::of(&Event::Reset { connection: 7 }, ResetOnReturn::Commit).map(|told| told.text.to_string());
        assert_eq!(commit.as_deref(), Some("Connection 7 commit-on-return"));
    }

    #[test]
    fn the_end_of_a_retry_is_one_line_with_what_had_failed() {
        let mut course = Course::new(RetryPolicy::new().attempts(3).terms(), Instant::now());
        let tokens = Bucket::new(RetryBudget::default());
        let mut fail = |cause| {
            let failed = Failed {
                class: Class::Retry,
                cause,
                commit_unknown: false,
                not_begun: false,
                timed_out: false,
            };
            course.after(failed, Instant::now(), &tokens)
        };
        let steps = [
            fail("deadlock detected"),
            fail("deadlock detected"),
            fail("could not serialize access"),
        ];
        assert_eq!(steps[2], Next::End(RetryEnd::Attempts));
        let line = told(&Event::RetryEnded {
            function: "transfer",
            report: course.report(),
        });
        let (beginning, end) = line.split_once(" in ").expect("it says how long it took");
        assert_eq!(beginning, "WARN aludel.session transfer has failed, tried 3 times");
        let causes = "; what had failed: retry: deadlock detected (2 times); retry: could not serialize access";
        assert!(end.ends_with(&format!(", and given up{causes}")), "{line}");
        course.succeeded(Instant::now());
        let line = told(&Event::RetryEnded {
            function: "transfer",
            report: course.report(),
        });
        assert!(
            line.starts_with("INFO aludel.session transfer has succeeded, tried 3 times"),
            "{line}"
        );
    }

    #[test]
    fn what_somebody_should_look_at_is_a_warning() {
        for event in [
            Event::LeftBehind {
                step: Step::Connect,
                connection: 0,
            },
            Event::InMemoryDatabaseLost {
                connection: 1,
                reason: "broken",
            },
            Event::PoolTimeout {
                waited: std::time::Duration::from_secs(30),
            },
            Event::CommitUnknown {
                connection: 1,
                cause: "gone",
            },
            Event::DroppedUncommitted { first_write: "INSERT" },
        ] {
            assert!(told(&event).starts_with("WARN "), "{event:?}");
        }
    }
}
