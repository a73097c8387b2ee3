//! The loop, and what it is told meanwhile.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use aludel::Reconnecting;
use aludel::prelude::*;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::Options;

/// After this ping a server of our own is restarted.
const RESTARTED_AFTER: u32 = 3;

/// What it has come to.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) answered: u32,
    pub(crate) failed: u32,
    /// How often one was repeated.
    pub(crate) repeated: u32,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            answered,
            failed,
            repeated,
        } = self;
        write!(
            f,
            "{answered} pings were answered and {failed} were not; on the way there were {repeated} repetitions"
        )
    }
}

/// A database that can be asked for the number of the connection: another one after each restart.
pub(crate) trait Pinged: Dialect {
    fn answer(reader: &Reconnecting<Self>) -> aludel::Result<i64>;
}

macro_rules! pinged {
    ($($feature:literal $connection:ty: $question:literal),*) => {$(
        #[cfg(feature = $feature)]
        impl Pinged for $connection {
            fn answer(reader: &Reconnecting<Self>) -> aludel::Result<i64> {
                reader.get_result(diesel::select(sql::<BigInt>($question)))
            }
        }
    )*};
}

pinged! {
    "sqlite" SqliteConnection: "1",
    "mysql" MysqlConnection: "CONNECTION_ID()",
    "postgres" PgConnection: "pg_backend_pid()::BIGINT"
}

/// Pings until the time is over and `restart` has returned, which is called once.
pub(crate) fn pings<C: Pinged>(
    url: &str,
    options: &Options,
    restart: impl FnOnce(Screen) + Send,
) -> aludel::Result<Seen> {
    let screen = Screen(Instant::now());
    let repeated = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&repeated);
    let engine = Engine::<C>::builder(url)
        .listen(move |event| {
            if let Event::Reconnecting {
                retry,
                num_retries,
                delay,
                cause,
                ..
            } = event
            {
                counted.fetch_add(1, Ordering::Relaxed);
                let cause = cause.lines().next().unwrap_or_default();
                screen.say(&format!(
                    "  disconnection error, retrying operation ({retry} of {num_retries}, in {delay:?}): {cause}"
                ));
            }
        })
        .build()?;
    println!(
        "{}: a ping every {:?} for {:?}, each repeated up to {} times\n",
        engine.url(),
        options.every,
        options.seconds,
        options.num_retries
    );
    let reader = engine
        .reconnecting()
        .num_retries(options.num_retries)
        .retry_interval(options.retry_interval);

    let (start, started) = mpsc::channel();
    let (answered, failed) = thread::scope(|threads| {
        let restarting = threads.spawn(move || {
            let _ = started.recv(); // it begins when its other end is dropped
            restart(screen);
        });
        let seen = keep_pinging(&reader, options, screen, start, || restarting.is_finished())?;
        restarting.join().expect("a server of the tests starts, or panics");
        Ok::<_, aludel::Error>(seen)
    })?;
    Ok(Seen {
        answered,
        failed,
        repeated: repeated.load(Ordering::Relaxed),
    })
}

/// Drops `start` after a few pings, and ends when the time is over and `done` says so; answers how many were answered, and
/// how many were not.
fn keep_pinging<C: Pinged>(
    reader: &Reconnecting<C>,
    options: &Options,
    screen: Screen,
    start: mpsc::Sender<()>,
    done: impl Fn() -> bool,
) -> aludel::Result<(u32, u32)> {
    let mut start = Some(start);
    let (mut answered, mut failed) = (0, 0);
    loop {
        match C::answer(reader) {
            Ok(connection) => {
                answered += 1;
                screen.say(&format!("ping {answered}, answered on connection {connection}"));
            }
            Err(error) => {
                failed += 1;
                screen.say(&format!("NO ANSWER: {error}"));
            }
        }
        let over = screen.0.elapsed() >= options.seconds;
        if over || answered + failed == RESTARTED_AFTER {
            start = None;
        }
        if over && start.is_none() && done() {
            return Ok((answered, failed));
        }
        let engine = reader.engine();
        engine.cancel_token().sleep(engine.clock(), options.every)?;
    }
}

/// Lines with the time before them.
#[derive(Clone, Copy)]
pub(crate) struct Screen(Instant);

impl Screen {
    pub(crate) fn say(self, text: &str) {
        println!("{:6.1} s  {text}", self.0.elapsed().as_secs_f64());
    }
}
