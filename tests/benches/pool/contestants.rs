//! The pools that are compared, each full before the first round, and one turn on each.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use aludel::clock::Clock;
use aludel::event::Listeners;
use aludel::pool::{BoxError, Connecting, Connector, Managed, Pool, PoolOptions, Raw, ResetOnReturn};

use super::CONNECTIONS;

/// Makes connections that are numbers, so that nothing is measured but the pool.
pub(crate) struct Manager;

impl r2d2::ManageConnection for Manager {
    type Connection = u64;
    type Error = Infallible;

    fn connect(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

impl deadpool::managed::Manager for Manager {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

struct Plain;

impl Connector<u64> for Plain {
    fn connect(&self, _: &Connecting) -> Result<Raw<u64>, BoxError> {
        Ok(Raw::from(7))
    }

    fn ping(&self, _: &mut u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }

    fn reset(&self, _: &mut u64, _: ResetOnReturn) -> Result<(), BoxError> {
        Ok(())
    }

    fn looks_at_checkouts(&self) -> bool {
        false // as an r2d2 manager does not
    }
}

/// Ours behind the manager that r2d2 has.
pub(crate) fn ours(options: PoolOptions) -> Pool<u64> {
    filled(Pool::new(
        Managed(Manager),
        options,
        Clock::system(),
        Listeners::default(),
    ))
}

/// Ours behind a connector of its own.
pub(crate) fn ours_plain(options: PoolOptions) -> Pool<u64> {
    filled(Pool::new(Plain, options, Clock::system(), Listeners::default()))
}

fn filled(pool: Pool<u64>) -> Pool<u64> {
    let all: Vec<_> = (0..CONNECTIONS)
        .map(|_| pool.checkout().expect("it has room"))
        .collect();
    drop(all);
    assert_eq!((pool.checkedin(), pool.opened()), (CONNECTIONS, CONNECTIONS as u64));
    pool
}

/// r2d2 as it comes, save its size and its ping at every checkout. It fills itself.
pub(crate) fn r2d2() -> r2d2::Pool<Manager> {
    r2d2::Pool::builder()
        .max_size(u32::try_from(CONNECTIONS).expect("ten"))
        .test_on_check_out(false)
        .build(Manager)
        .expect("nothing can fail")
}

pub(crate) fn r2d2_turn(pool: &r2d2::Pool<Manager>) {
    let connection = pool.get().expect("no checkout waits for 30 s here");
    std::hint::black_box(*connection);
}

/// deadpool as it comes, save its size.
pub(crate) fn deadpool() -> deadpool::managed::Pool<Manager> {
    let pool = deadpool::managed::Pool::builder(Manager)
        .max_size(CONNECTIONS)
        .build()
        .expect("no time-out is set, so no runtime is needed");
    let all: Vec<_> = (0..CONNECTIONS)
        .map(|_| block_on(pool.get()).expect("it has room"))
        .collect();
    drop(all);
    assert_eq!(pool.status().available, CONNECTIONS);
    pool
}

pub(crate) fn deadpool_turn(pool: &deadpool::managed::Pool<Manager>) {
    let connection = block_on(pool.get()).expect("nothing can fail");
    std::hint::black_box(*connection);
}

/// The least that a pool can be: no limit, no state, no waiting in order.
pub(crate) fn bare_mutex() -> Mutex<Vec<u64>> {
    Mutex::new(vec![7; CONNECTIONS])
}

pub(crate) fn mutex_turn(pool: &Mutex<Vec<u64>>) {
    let connection = loop {
        let taken = pool.lock().expect("nobody panics").pop();
        match taken {
            Some(connection) => break connection,
            None => thread::yield_now(),
        }
    };
    pool.lock()
        .expect("nobody panics")
        .push(std::hint::black_box(connection));
}

/// Runs a future on this thread. The waker is made once a thread, so that deadpool does not pay for it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local!(static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current()))));
    let mut future = pin!(future);
    WAKER.with(|waker| {
        loop {
            match future.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => thread::park(),
            }
        }
    })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
