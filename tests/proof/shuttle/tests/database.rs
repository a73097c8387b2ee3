//! A database that is as bad as the schedule wants it to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aludel_under_shuttle::clock::TestClock;
use aludel_under_shuttle::pool::{BoxError, CheckoutInfo, Connecting, Connector, Raw, Refuse, ResetOnReturn};
use aludel_under_shuttle::sync::explored::panic;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

/// What a pool asks of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Connect,
    Ping,
    Reset,
    Hook,
}

/// Which calls go wrong: each fails once in three times, half of them with a panic where it may.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    calls: &'static [Call],
    panics: bool,
}

impl Faults {
    pub(crate) const fn in_calls(calls: &'static [Call]) -> Self {
        Self { calls, panics: false }
    }

    pub(crate) const fn and_panics(self) -> Self {
        Self { panics: true, ..self }
    }

    pub(crate) fn panic(self) -> bool {
        self.panics
    }
}

/// A server; clones are the same one. What it counts with is the standard library's, so that looking changes no schedule.
#[derive(Clone)]
pub(crate) struct Database(Arc<Server>);

struct Server {
    faults: Faults,
    may_block: bool,
    clock: TestClock,
    healed: AtomicBool,
    open: AtomicUsize,
    most: AtomicUsize,
}

/// A connection that knows when it is in two hands.
pub(crate) struct Connection {
    pub(crate) soft_invalidated: bool,
    pub(crate) in_transaction: bool,
    pub(crate) lent: bool,
    server: Arc<Server>,
}

impl Database {
    pub(crate) fn new(faults: Faults) -> Self {
        Self::of(faults, false)
    }

    /// One that callers give up on, so that a helper thread is left with it.
    pub(crate) fn slow(faults: Faults) -> Self {
        Self::of(faults, true)
    }

    fn of(faults: Faults, may_block: bool) -> Self {
        Self(Arc::new(Server {
            faults,
            may_block,
            clock: TestClock::new(),
            healed: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn well() -> Self {
        Self::new(Faults::default())
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        self.0.healed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    pub(crate) fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }

    /// Or not, as the schedule has it: a moment after which those who wait have waited long.
    pub(crate) fn time_may_pass(&self) {
        if thread_rng().gen_bool(0.3) {
            self.0.clock.advance(Duration::from_millis(1));
        }
    }

    /// How many were open at the same time.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// Input and output, during which others run; and what becomes of it.
    fn call(&self, call: Call) -> Result<(), BoxError> {
        thread::yield_now();
        self.time_may_pass();
        if !self.0.faults.calls.contains(&call) || self.0.healed.load(Ordering::SeqCst) {
            return Ok(());
        }
        match thread_rng().gen_range(0..6) {
            0 if self.0.faults.panics => panic("a callback of the user's"),
            0..2 => Err("the schedule wants it".into()),
            _ => Ok(()),
        }
    }
}

impl Connector<Connection> for Database {
    fn connect(&self, _: &Connecting) -> Result<Raw<Connection>, BoxError> {
        self.call(Call::Connect)?;
        let open = self.0.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(open, Ordering::SeqCst);
        Ok(Raw::from(Connection {
            soft_invalidated: false,
            in_transaction: false,
            lent: false,
            server: Arc::clone(&self.0),
        }))
    }

    fn ping(&self, _: &mut Connection) -> Result<(), BoxError> {
        self.call(Call::Ping)
    }

    fn may_block(&self) -> bool {
        self.0.may_block
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }

    fn reset(&self, connection: &mut Connection, _: ResetOnReturn) -> Result<(), BoxError> {
        self.call(Call::Reset)?;
        connection.in_transaction = false;
        Ok(())
    }

    fn on_checkout(&self, _: &mut Connection, _: &CheckoutInfo) -> Result<(), Refuse> {
        self.call(Call::Hook).map_err(|error| {
            if thread_rng().gen_bool(0.5) {
                Refuse::Reconnect
            } else {
                Refuse::Error(error)
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.open.fetch_sub(1, Ordering::SeqCst);
        thread::yield_now(); // closing takes a while
    }
}
