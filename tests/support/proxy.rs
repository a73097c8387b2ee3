//! A proxy between a client library and its server that does what networks do at the worst moment.
//!
//! It understands enough of both protocols to see statements go by, prepared ones included. A [`Trigger`] says at which
//! of them something happens, a [`Fault`] what: the connection is cut before the server sees a COMMIT, or after it has
//! executed it and before the client hears of it, or nothing comes any more while both sides stay open.
//!
//! ```no_run
//! use aludel_tests::proxy::{Fault, Proxy, Trigger};
//! use aludel_tests::mariadb;
//!
//! let database = mariadb::server().database("transfers");
//! let proxy = Proxy::mysql(mariadb::server().port());
//! let url = proxy.url(database.url()); // the same database, through the proxy
//! proxy.when(Trigger::Commit).nth(2).then(Fault::CutAfter);
//! // ..
//! assert_eq!(proxy.fired(), 1);
//! ```
//!
//! It also counts round trips exactly, and keeps a log of what went over the wire. Connections are in the clear: a client
//! that insists on TLS is not served.
//!
//! What a fault keeps waiting is let go after [`PATIENCE`](crate::gate::PATIENCE) at the latest, as if it had been cut:
//! a test that fails must not wait for ever for the thread that it holds up.

mod fault;
mod link;
mod mysql;
mod postgres;
mod protocol;
mod shared;

#[cfg(test)]
mod tests;

pub use fault::{Fault, Refusal, Trigger};

use crate::{poll, ports, wire};
use fault::Rule;
use protocol::Protocol;
use shared::{Line, Shared};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the proxy tries to get its port back after it had refused.
const REBIND_DEADLINE: Duration = Duration::from_secs(30);

/// A proxy on a loopback port of its own. Dropping it cuts every connection and waits for its threads.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    dialect: Dialect,
    shared: Arc<Shared>,
    /// Listens and accepts; none while connections are refused.
    acceptor: Mutex<Option<Acceptor>>,
}

/// What is to happen when something goes by; nothing does before [`then`](Self::then).
#[derive(Debug)]
#[must_use = "a trigger alone does nothing: `.then(..)`"]
pub struct When<'a> {
    proxy: &'a Proxy,
    trigger: Trigger,
    within: Option<&'static str>,
    writing: Option<&'static str>,
    nth: u64,
    times: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Dialect {
    Mysql,
    Postgres,
}

#[derive(Debug)]
struct Acceptor {
    stops: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of the MariaDB or MySQL on this port of 127.0.0.1. The server need not run yet.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    pub fn mysql(upstream: u16) -> Self {
        Self::new(Dialect::Mysql, upstream)
    }

    /// A proxy in front of the PostgreSQL on this port of 127.0.0.1. The server need not run yet.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    pub fn postgres(upstream: u16) -> Self {
        Self::new(Dialect::Postgres, upstream)
    }

    fn new(dialect: Dialect, upstream: u16) -> Self {
        let (port, listener) = (0..10)
            .find_map(|_| {
                let port = ports::free();
                Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?))
            })
            .expect("of ten free ports one is still free");
        let proxy = Self {
            port,
            dialect,
            shared: Shared::new(upstream),
            acceptor: Mutex::new(None),
        };
        proxy.accept(listener);
        proxy
    }

    /// The port on 127.0.0.1 that clients connect to. It stays the same.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server's with the proxy's port in the place of its own.
    ///
    /// # Panics
    ///
    /// If it is a URL of another server.
    #[track_caller]
    pub fn url(&self, url: &str) -> String {
        let upstream = format!("127.0.0.1:{}", self.shared.upstream());
        assert!(url.contains(&upstream), "the proxy stands in front of {upstream}");
        url.replacen(&upstream, &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Says what is to be waited for: the next one, unless [`When`] is told otherwise. Where several rules meet one
    /// statement, the oldest that is due strikes.
    pub fn when(&self, trigger: Trigger) -> When<'_> {
        When {
            proxy: self,
            trigger,
            within: None,
            writing: None,
            nth: 1,
            times: Some(1),
        }
    }

    /// Forgets all rules. What is held stays held.
    pub fn behave(&self) {
        self.shared.forget_rules();
    }

    /// How many faults have taken effect.
    pub fn fired(&self) -> u64 {
        self.shared.fired()
    }

    /// Waits until so many faults have taken effect: the answer is there and kept back, the statement is held.
    ///
    /// # Panics
    ///
    /// If they have not within [`PATIENCE`](crate::gate::PATIENCE).
    #[track_caller]
    pub fn wait_until_fired(&self, times: u64) {
        let fired = self.shared.wait_until_fired(times);
        assert!(
            fired,
            "{} of {times} faults have struck: {:#?}",
            self.fired(),
            self.log()
        );
    }

    /// Ends every hold there is at the moment: what is delayed goes on, what is swallowed is cut.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Closes every connection, in both directions. New ones are welcome.
    pub fn cut_all(&self) {
        for link in self.shared.links() {
            link.cut();
        }
    }

    /// With `true` nobody listens any more: a client gets "connection refused". Connections that are there stay.
    ///
    /// # Panics
    ///
    /// If somebody else has taken the port in the meantime, and keeps it.
    pub fn refuse(&self, refuse: bool) {
        if refuse {
            self.stop_accepting();
        } else if self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            let listener = poll::until("the proxy has its port back", REBIND_DEADLINE, || {
                TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).ok()
            });
            self.accept(listener);
        }
    }

    /// How many connections have been made, those that a fault ended at once included.
    pub fn connections(&self) -> u64 {
        self.shared.connections()
    }

    /// How often a client has asked for something and waited for the answer, logins not included. MySQL's close of a
    /// statement has no answer and is none, PostgreSQL's Parse to Sync are one, and so is a whole COPY.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips()
    }

    /// Counts round trips from zero again.
    pub fn reset_round_trips(&self) {
        self.shared.reset_round_trips();
    }

    /// The statements that clients have executed, in the order in which they came by, whether or not the server ever
    /// saw them: with placeholders, and without what was only prepared.
    pub fn statements(&self) -> Vec<String> {
        executed(&self.shared.log())
    }

    /// [`statements`](Self::statements), and forgets them.
    pub fn take_statements(&self) -> Vec<String> {
        executed(&self.shared.take_log())
    }

    /// All that clients have asked for, one line each, after the number of its connection: `1 connect`,
    /// `1 prepare SELECT 1`, `1 SELECT 1`, `1 close`, `1 quit`.
    pub fn log(&self) -> Vec<String> {
        self.shared.log().iter().filter_map(Line::asked).collect()
    }

    /// [`log`](Self::log), and forgets it.
    pub fn take_log(&self) -> Vec<String> {
        self.shared.take_log().iter().filter_map(Line::asked).collect()
    }

    /// The statements that clients have executed, what became of each, and of the connections; and forgets them.
    pub fn take_wire(&self) -> Vec<wire::Line> {
        self.shared.take_log().iter().filter_map(Line::wire).collect()
    }

    /// Waits until every connection that was made is at its end, which a client that closes its side does not wait for.
    ///
    /// # Panics
    ///
    /// If one is not within [`PATIENCE`](crate::gate::PATIENCE).
    #[track_caller]
    pub fn wait_until_all_have_ended(&self) {
        poll::until("every connection is at its end", crate::gate::PATIENCE, || {
            self.shared.links().is_empty().then_some(())
        });
    }

    fn accept(&self, listener: TcpListener) {
        let stops = Arc::new(AtomicBool::new(false));
        let (shared, dialect, is_over) = (Arc::clone(&self.shared), self.dialect, Arc::clone(&stops));
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    let link = Arc::clone(&shared);
                    shared.spawn(move || link::serve(&link, client, dialect.protocol()));
                }
            }
        });
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = Some(Acceptor { stops, thread });
    }

    fn stop_accepting(&self) {
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Acceptor { stops, thread }) = acceptor {
            stops.store(true, Ordering::SeqCst);
            // It waits for a client: here is one.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
            let _ = thread.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop_accepting();
        self.shared.close();
        self.cut_all();
        self.shared.join();
    }
}

impl When<'_> {
    /// Only statements with this text in them count.
    pub fn within(mut self, text: &'static str) -> Self {
        self.within = Some(text);
        self
    }

    /// Only in transactions that have executed a statement with this text in it: of all COMMITs those of one table's
    /// writers.
    pub fn writing(mut self, text: &'static str) -> Self {
        self.writing = Some(text);
        self
    }

    /// The n-th from now on, counted from 1, and not the next.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// So many one after the other, and not one.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Each one.
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// What happens then. From now on it is waited for.
    pub fn then(self, fault: Fault) {
        self.then_in_turn([Some(fault)]);
    }

    /// What happens to the first, to the next, and so on, and then from the start again; `None` lets one go by.
    pub fn then_in_turn(self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.proxy.shared.add(Rule {
            trigger: self.trigger,
            within: self.within,
            writing: self.writing,
            skip: self.nth.saturating_sub(1),
            times: self.times,
            faults: faults.into_iter().collect(),
        });
    }
}

impl Dialect {
    fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::Mysql => Box::new(mysql::Mysql::new()),
            Self::Postgres => Box::new(postgres::Postgres::new()),
        }
    }
}

fn executed(log: &[Line]) -> Vec<String> {
    log.iter().filter_map(Line::executed).map(str::to_owned).collect()
}
