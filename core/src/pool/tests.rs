//! The pool against a database that does as it is told. Names are those of SQLAlchemy's `test_pool.py` where one fits.

mod abandoned;
mod bounded;
mod careless;
mod closing;
mod concurrent;
mod events;
mod faults;
mod kinds;
mod lifecycle;
mod maintenance;
mod only_copy;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::clock::TestClock;
use crate::sync::Mutex;

/// What the next call of a kind does; the default is to succeed.
enum Act {
    Fail,
    Panic,
    /// Says that it was reached, and goes on when told to.
    Gate(mpsc::Sender<()>, mpsc::Receiver<()>),
    /// The hook asks for another connection.
    Refuse,
}

/// A database and the conversation with it.
#[derive(Default)]
struct Db {
    log: Mutex<Vec<String>>,
    script: Mutex<VecDeque<(&'static str, Act)>>,
    made: AtomicU64,
    /// Calls may take long.
    remote: AtomicBool,
    /// It dies with its connection.
    in_memory: AtomicBool,
    /// On which threads connections were made and tested.
    threads: Arc<Mutex<Vec<(String, thread::ThreadId)>>>,
    open: AtomicI64,
    most: AtomicI64,
}

struct Conn {
    number: u64,
    broken: bool,
    panic_on_close: bool,
    db: Arc<Db>,
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.db.open.fetch_sub(1, Ordering::SeqCst);
        self.db.say(format!("close {}", self.number));
        assert!(!self.panic_on_close, "close panics");
    }
}

impl Db {
    fn say(&self, line: String) {
        lock(&self.log).push(line);
    }

    /// The conversation since the last call.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.log))
    }

    fn on_this_thread(&self) {
        let thread = thread::current();
        lock(&self.threads).push((thread.name().unwrap_or_default().to_owned(), thread.id()));
    }

    fn next(&self, call: &'static str, act: Act) {
        lock(&self.script).push_back((call, act));
    }

    fn act(&self, call: &'static str) -> Result<(), Refuse> {
        let act = {
            let mut script = lock(&self.script);
            let found = script.iter().position(|(of, _)| *of == call);
            found.and_then(|place| script.remove(place))
        };
        match act.map(|(_, act)| act) {
            None => Ok(()),
            Some(Act::Fail) => Err(Refuse::Error(format!("{call} failed").into())),
            Some(Act::Refuse) => Err(Refuse::Reconnect),
            Some(Act::Panic) => panic!("{call} panics"),
            Some(Act::Gate(reached, open)) => {
                reached.send(()).unwrap();
                open.recv().unwrap();
                // What comes of it in the end.
                self.act("late")
            }
        }
    }

    fn plain(&self, call: &'static str) -> Result<(), BoxError> {
        self.act(call).map_err(|refuse| match refuse {
            Refuse::Error(error) => error,
            Refuse::Reconnect | Refuse::ReconnectAll => unreachable!("only the hook refuses"),
        })
    }
}

struct Fake(Arc<Db>);

impl Connector<Conn> for Fake {
    fn connect(&self, _: &Connecting) -> Result<Raw<Conn>, BoxError> {
        self.0.on_this_thread();
        self.0.plain("connect")?;
        let number = self.0.made.fetch_add(1, Ordering::SeqCst) + 1;
        let open = self.0.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(open, Ordering::SeqCst);
        self.0.say(format!("connect {number}"));
        Ok(Raw::from(Conn {
            number,
            broken: false,
            panic_on_close: false,
            db: Arc::clone(&self.0),
        }))
    }

    fn ping(&self, connection: &mut Conn) -> Result<(), BoxError> {
        self.0.on_this_thread();
        self.0.say(format!("ping {}", connection.number));
        self.0.plain("ping")
    }

    fn has_broken(&self, connection: &mut Conn) -> bool {
        self.0.act("has_broken").is_err() || connection.broken
    }

    fn reset(&self, connection: &mut Conn, how: ResetOnReturn) -> Result<(), BoxError> {
        self.0.say(format!("{how:?} {}", connection.number));
        self.0.plain("reset")
    }

    fn is_only_copy(&self) -> bool {
        self.0.in_memory.load(Ordering::SeqCst)
    }

    fn may_block(&self) -> bool {
        self.0.remote.load(Ordering::SeqCst)
    }

    fn on_checkout(&self, _: &mut Conn, _: &CheckoutInfo) -> Result<(), Refuse> {
        self.0.act("hook")
    }
}

/// A pool with the database and the clock behind it, and what its listeners heard.
struct Bench {
    pool: Pool<Conn>,
    db: Arc<Db>,
    clock: TestClock,
    events: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(options: PoolOptions) -> Self {
        Self::of(Queue, options)
    }

    fn of(kind: impl Into<AnyKind<Conn>>, options: PoolOptions) -> Self {
        Self::on(Db::default(), kind, options)
    }

    fn on(db: Db, kind: impl Into<AnyKind<Conn>>, options: PoolOptions) -> Self {
        let (db, events) = (Arc::new(db), Arc::new(Mutex::new(Vec::new())));
        let (clock, test) = Clock::test();
        let heard = Arc::clone(&events);
        let listener = move |event: &Event<'_>| lock(&heard).push(format!("{event:?}"));
        let listeners = Listeners::new(vec![Box::new(listener)]);
        let pool = Pool::of_kind(kind, Fake(Arc::clone(&db)), options, clock, listeners);
        Self {
            pool,
            db,
            clock: test,
            events,
        }
    }

    fn sized(pool_size: usize, max_overflow: usize) -> Self {
        Self::new(PoolOptions {
            pool_size: pool_size.into(),
            max_overflow: max_overflow.into(),
            ..PoolOptions::default()
        })
    }

    #[track_caller]
    fn take(&self) -> Checkout<Conn> {
        self.pool.checkout_within(Duration::ZERO).unwrap()
    }

    /// (size, checkedin, overflow, checkedout)
    fn numbers(&self) -> (usize, usize, i64, usize) {
        let status = self.pool.status();
        (status.size, status.checked_in, status.overflow, status.checked_out)
    }

    /// The names of the events since the last call.
    fn events(&self) -> Vec<String> {
        let events = std::mem::take(&mut *lock(&self.events));
        events
            .iter()
            .map(|event| event.split(' ').next().unwrap().to_owned())
            .collect()
    }

    /// Looks until that many callers wait. They say nothing while they do, so there is no gate to wait at.
    fn until_waiting(&self, count: usize) {
        while self.pool.status().waiting != count {
            thread::yield_now();
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.pool.assert_invariants();
        }
    }
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
