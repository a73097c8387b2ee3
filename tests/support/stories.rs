//! What the stories on real servers have in common: which events they log.

use crate::EventLog;
use aludel::Event;
use diesel::connection::InstrumentationEvent;

/// A listener that writes what transactions and the pool did, without the noise of every checkout.
pub fn listener(log: &EventLog) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
    let all = log.listener();
    move |event| match event {
        // Every story has them; those that are about them count the pool's connections, or read the report.
        Event::RetryEnded { .. }
        | Event::FirstConnect { .. }
        | Event::Connect { .. }
        | Event::Checkout { .. }
        | Event::Checkin { .. }
        | Event::Close { .. }
        | Event::EngineConnect { .. }
        | Event::EngineDisposed => {}
        event => all(event),
    }
}

/// A listener that writes the turns of a story only: what began and ended, what was doomed, closed and run again.
pub fn outline(log: &EventLog) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
    let (log, outline) = (log.clone(), log.outline());
    move |event| match event {
        Event::Rerun { attempt, class, .. } => log.push(format!("rerun {attempt} after {class}")),
        event => outline(event),
    }
}

/// An instrumentation that writes each statement as it is sent, without its values.
pub fn statements(log: &EventLog) -> impl Fn(InstrumentationEvent<'_>) + Send + Sync + 'static {
    let log = log.clone();
    move |event| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            log.push(text.split(" -- binds").next().unwrap_or(&text));
        }
    }
}
