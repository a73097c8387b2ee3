//! What all connections of a proxy share: the rules, the log, the counters, and who is held.

use super::fault::{Did, Fault, Rule};
use super::link::Link;
use crate::gate::PATIENCE;
use crate::wire::{self, Went};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

#[derive(Debug)]
pub(super) struct Shared {
    upstream: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    log: Vec<Line>,
    round_trips: u64,
    connections: u64,
    fired: u64,
    /// Counted up by each release.
    releases: u64,
    is_closing: bool,
    links: Vec<Weak<Link>>,
    threads: Vec<JoinHandle<()>>,
}

/// What went over the wire: which connection, and what.
#[derive(Clone, Debug)]
pub(super) struct Line {
    connection: u64,
    noted: Noted,
}

#[derive(Clone, Debug)]
enum Noted {
    /// By the client.
    Did(Did),
    /// What became of it.
    Went(Went),
}

/// How many releases there had been when a fault fired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

/// How a hold has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Released,
    /// The connection was cut, or the proxy is at its end.
    Cut,
}

impl Shared {
    pub(super) fn new(upstream: u16) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn upstream(&self) -> u16 {
        self.upstream
    }

    pub(super) fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    pub(super) fn forget_rules(&self) {
        self.state().rules.clear();
    }

    /// A client has connected: its number, and the fault that this sets off.
    pub(super) fn connected(&self) -> (u64, Option<Fault>) {
        let mut state = self.state();
        state.connections += 1;
        let number = state.connections;
        state.log.push(Line {
            connection: number,
            noted: Noted::Did(Did::Connect),
        });
        (number, state.look(|rule| rule.strikes(&[Did::Connect], &[])))
    }

    /// A client has asked for something, in a transaction that has executed so much so far: the fault that this sets off.
    pub(super) fn asked(
        &self,
        connection: u64,
        did: &[Did],
        executed: &[String],
        is_round_trip: bool,
    ) -> Option<Fault> {
        let mut state = self.state();
        state.round_trips += u64::from(is_round_trip);
        let lines = did.iter().cloned().map(|did| Line {
            connection,
            noted: Noted::Did(did),
        });
        state.log.extend(lines);
        state.look(|rule| rule.strikes(did, executed))
    }

    /// What became of something that was asked, or of the connection.
    pub(super) fn note(&self, connection: u64, went: Went) {
        let noted = Noted::Went(went);
        self.state().log.push(Line { connection, noted });
    }

    /// The server has sent a row: the fault that this sets off.
    pub(super) fn row(&self, sql: &str, number: u64) -> Option<Fault> {
        self.state().look(|rule| rule.strikes_row(sql, number))
    }

    /// A fault takes effect now. What it holds is let go by the first release after this.
    pub(super) fn has_fired(&self) -> Ticket {
        let mut state = self.state();
        state.fired += 1;
        self.changed.notify_all();
        Ticket(state.releases)
    }

    pub(super) fn fired(&self) -> u64 {
        self.state().fired
    }

    /// Waits until so many faults have taken effect; whether they have.
    pub(super) fn wait_until_fired(&self, times: u64) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.fired < times);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn release(&self) {
        self.state().releases += 1;
        self.changed.notify_all();
    }

    /// Waits for the first release after the fault has fired, as long as the connection is not cut. A test that has failed may never come to its
    /// release, while it waits for the very client that is held: hence no longer than others wait for each other.
    pub(super) fn hold(&self, Ticket(before): Ticket, is_cut: &AtomicBool) -> Waited {
        let state = self.state();
        let goes_on =
            |state: &mut State| state.releases == before && !state.is_closing && !is_cut.load(Ordering::SeqCst);
        let waited = self.changed.wait_timeout_while(state, PATIENCE, goes_on);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.releases > before && !state.is_closing {
            Waited::Released
        } else {
            Waited::Cut
        }
    }

    /// Something that a hold looks at has changed.
    pub(super) fn wake(&self) {
        // The lock, or whoever is about to wait could miss it.
        drop(self.state());
        self.changed.notify_all();
    }

    pub(super) fn connections(&self) -> u64 {
        self.state().connections
    }

    pub(super) fn round_trips(&self) -> u64 {
        self.state().round_trips
    }

    pub(super) fn reset_round_trips(&self) {
        self.state().round_trips = 0;
    }

    pub(super) fn log(&self) -> Vec<Line> {
        self.state().log.clone()
    }

    pub(super) fn take_log(&self) -> Vec<Line> {
        std::mem::take(&mut self.state().log)
    }

    /// A connection that [`links`](Self::links) gives, unless the proxy is at its end.
    pub(super) fn register(&self, link: &Arc<Link>) -> bool {
        let mut state = self.state();
        state.links.retain(|link| link.strong_count() > 0);
        state.links.push(Arc::downgrade(link));
        !state.is_closing
    }

    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.state().links.iter().filter_map(Weak::upgrade).collect()
    }

    /// A thread that the proxy waits for at its end.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let thread = thread::spawn(work);
        let mut state = self.state();
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
    }

    /// Ends everything that is held, and whatever begins from now on.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.changed.notify_all();
    }

    /// Waits for all threads, those that they start included.
    pub(super) fn join(&self) {
        loop {
            let threads = std::mem::take(&mut self.state().threads);
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                // A panic in it was printed; the test looks at what the clients got.
                let _ = thread.join();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self, strikes: impl FnMut(&mut Rule) -> Option<Fault>) -> Option<Fault> {
        self.rules.iter_mut().find_map(strikes)
    }
}

impl Line {
    /// The statement, if one was executed.
    pub(super) fn executed(&self) -> Option<&str> {
        match &self.noted {
            Noted::Did(Did::Execute(sql)) => Some(sql),
            _ => None,
        }
    }

    /// What a client has asked for, as a line of text.
    pub(super) fn asked(&self) -> Option<String> {
        let Noted::Did(did) = &self.noted else { return None };
        let what = match did {
            Did::Connect => "connect".to_owned(),
            Did::Prepare(sql) => format!("prepare {sql}"),
            Did::Execute(sql) => sql.clone(),
            Did::Other(name) => (*name).to_owned(),
        };
        Some(format!("{} {what}", self.connection))
    }

    /// What is the same on any wire.
    pub(super) fn wire(&self) -> Option<wire::Line> {
        let went = match &self.noted {
            Noted::Did(Did::Connect) => Went::Connected,
            Noted::Did(Did::Execute(sql)) => Went::Asked(sql.clone()),
            Noted::Did(Did::Prepare(_) | Did::Other(_)) => return None,
            Noted::Went(went) => went.clone(),
        };
        let connection = self.connection;
        Some(wire::Line { connection, went })
    }
}
