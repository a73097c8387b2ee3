//! What the stories on real servers have in common: events as short lines that a log can be compared with.

use crate::EventLog;
use aludel::Event;

/// A listener that writes what transactions and the pool did, without the noise of every checkout.
pub fn listener(log: &EventLog) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let log = log.clone();
    move |event| {
        if let Some(line) = line(event) {
            log.push(line);
        }
    }
}

/// A listener that writes the turns of a story only: what began and ended, what was doomed, closed and run again.
pub fn outline(log: &EventLog) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let log = log.clone();
    move |event| match event {
        Event::Rerun { attempt, class, .. } => log.push(format!("rerun {attempt} after {class}")),
        Event::Fault { .. } | Event::Reset { .. } | Event::Ping { .. } | Event::ConnectFailed { .. } => {}
        event => {
            if let Some(line) = line(event) {
                log.push(line);
            }
        }
    }
}

/// An event in one line; numbers of connections are left out, since they say nothing that a reader could check.
fn line(event: &Event<'_>) -> Option<String> {
    let line = match event {
        Event::Begin { .. } => "begin".to_owned(),
        Event::Commit { .. } => "commit".to_owned(),
        Event::Rollback { .. } => "rollback".to_owned(),
        Event::Savepoint { depth, .. } => format!("savepoint {depth}"),
        Event::ReleaseSavepoint { depth, .. } => format!("release {depth}"),
        Event::RollbackToSavepoint { depth, .. } => format!("rollback to {depth}"),
        Event::Fault { class, phase, .. } => format!("fault {class} in {phase:?}"),
        Event::Doomed { .. } => "doomed".to_owned(),
        Event::CommitUnknown { .. } => "commit unknown".to_owned(),
        Event::Rerun {
            function,
            attempt,
            class,
            ..
        } => format!("rerun {function}, attempt {attempt}, after {class}"),
        Event::Invalidate { .. } => "invalidate".to_owned(),
        Event::Retire { .. } => "retire".to_owned(),
        Event::Reset { .. } => "reset".to_owned(),
        Event::ConnectFailed { .. } => "connect failed".to_owned(),
        Event::PoolTimeout { .. } => "pool timeout".to_owned(),
        Event::DroppedUncommitted { .. } => "dropped uncommitted".to_owned(),
        // Every story has them; those that are about them count the pool's connections.
        Event::Connect { .. }
        | Event::Checkout { .. }
        | Event::Checkin { .. }
        | Event::Close { .. }
        | Event::EngineConnect { .. }
        | Event::EngineDisposed => return None,
        other => format!("{other:?}"),
    };
    Some(line)
}
