//! A database that does as it is told, and says what it was told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aludel::pool::{BoxError, CheckoutInfo, Connecting, Connector, Raw, Refuse, ResetOnReturn};

use super::program::{Call, Fault};

/// Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Database(Arc<Mutex<Server>>);

#[derive(Default)]
struct Server {
    log: Vec<String>,
    faults: VecDeque<(Call, Fault)>,
    made: u64,
    open: usize,
}

/// What a borrower may leave behind, as plain values.
pub(super) struct Connection {
    number: u64,
    pub(super) in_transaction: bool,
    pub(super) isolation: u8,
    pub(super) broken: bool,
    database: Database,
}

impl Database {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conversation so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.server().log.clone()
    }

    pub(super) fn open(&self) -> usize {
        self.server().open
    }

    pub(super) fn next(&self, call: Call, fault: Fault) {
        self.server().faults.push_back((call, fault));
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&self) {
        self.server().faults.clear();
    }

    fn call(&self, call: Call) -> Result<(), Refuse> {
        let fault = take(&mut self.server().faults, call);
        match fault {
            None => Ok(()),
            Some(Fault::Panic) => std::panic::resume_unwind(Box::new("the program wants it")),
            Some(Fault::Reconnect) if call == Call::Hook => Err(Refuse::Reconnect),
            Some(Fault::Fail | Fault::Reconnect) => Err(Refuse::Error("the program wants it".into())),
        }
    }

    fn plain(&self, call: Call) -> Result<(), BoxError> {
        self.call(call).map_err(|refuse| format!("{refuse:?}").into())
    }
}

/// The first fault that is meant for this call.
pub(super) fn take(faults: &mut VecDeque<(Call, Fault)>, call: Call) -> Option<Fault> {
    let place = faults.iter().position(|(of, _)| *of == call)?;
    faults.remove(place).map(|(_, fault)| fault)
}

impl Connector<Connection> for Database {
    fn connect(&self, _: &Connecting) -> Result<Raw<Connection>, BoxError> {
        self.plain(Call::Connect)?;
        let mut server = self.server();
        server.made += 1;
        server.open += 1;
        let number = server.made;
        server.log.push(format!("connect {number}"));
        Ok(Raw::from(Connection {
            number,
            in_transaction: false,
            isolation: 0,
            broken: false,
            database: self.clone(),
        }))
    }

    fn ping(&self, connection: &mut Connection) -> Result<(), BoxError> {
        self.server().log.push(format!("ping {}", connection.number));
        self.plain(Call::Ping)
    }

    fn may_block(&self) -> bool {
        false // all on one thread
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.broken
    }

    fn reset(&self, connection: &mut Connection, how: ResetOnReturn) -> Result<(), BoxError> {
        self.server().log.push(format!("{how:?} {}", connection.number));
        self.plain(Call::Reset)?;
        (connection.in_transaction, connection.isolation) = (false, 0);
        Ok(())
    }

    fn on_checkout(&self, _: &mut Connection, _: &CheckoutInfo) -> Result<(), Refuse> {
        self.call(Call::Hook)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut server = self.database.server();
        server.open -= 1;
        server.log.push(format!("close {}", self.number));
    }
}
