//! Servers that are restarted, killed or cut off under a reader.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{ErrorKind, Phase};

use super::{Reading, names};
use crate::proxy::{Fault, Proxy, Trigger};
use crate::stage::Stage;
use crate::{TestDatabase, poll};

/// The stories of this module that need no functions of a server's own, as tests on its module in `aludel_tests`. `streams` says
/// whether rows reach the client one by one.
#[macro_export]
macro_rules! reconnecting_server_stories {
    ($connection:ty, $server:path, streams: $streams:literal) => {
        use $crate::reconnecting::servers as on_servers;

        #[test]
        fn a_loop_of_selects_sees_no_error_while_its_server_is_restarted() {
            use $server as server;
            on_servers::a_loop_of_selects_sees_no_error_while_its_server_is_restarted::<$connection>(&server::private());
        }

        #[test]
        fn a_server_that_stays_down_is_an_error_after_exactly_n_retries() {
            use $server as server;
            on_servers::a_server_that_stays_down_is_an_error_after_exactly_n_retries::<$connection>(&server::private());
        }

        #[test]
        fn a_killed_connection_costs_a_pause_at_most() {
            use $server as server;
            on_servers::a_killed_connection_costs_a_pause_at_most::<$connection>(server::server());
        }

        #[test]
        fn an_answer_that_is_cut_off_is_repeated_until_its_first_row() {
            use $server as server;
            on_servers::an_answer_that_is_cut_off_is_repeated_until_its_first_row::<$connection>(
                server::server(),
                $streams,
            );
        }
    };
}

/// A bank with functions that a story needs.
pub fn stage_with<C: Reading>(name: &str, functions: &str) -> Stage<C> {
    let stage = Stage::<C>::open(name);
    stage
        .outside()
        .batch_execute(functions)
        .expect("the database is the test's own");
    stage
}

/// How long a reader may take to notice that its server is back.
const SOON: Duration = Duration::from_mins(1);

/// A server that can be hurt.
pub trait Server: Sync {
    /// A database of its own.
    fn database(&self, name: &str) -> TestDatabase;
    /// Shut down and started again on the same port.
    fn restart(&self);
    /// Gone without a word; its port refuses.
    fn kill_9(&self);
    /// Started again after that.
    fn start(&self);
    /// Ends one connection.
    fn kill(&self, backend: i64);
    /// A proxy in front of it.
    fn proxy(&self) -> Proxy;
}

macro_rules! server {
    ($feature:literal, $server:ty, $kill:ident, $proxy:ident) => {
        #[cfg(feature = $feature)]
        impl Server for $server {
            fn database(&self, name: &str) -> TestDatabase {
                self.database(name)
            }

            fn restart(&self) {
                self.restart();
            }

            fn kill_9(&self) {
                self.kill_9();
            }

            fn start(&self) {
                self.start();
            }

            fn kill(&self, backend: i64) {
                self.$kill(backend.try_into().expect("it fits"));
            }

            fn proxy(&self) -> Proxy {
                Proxy::$proxy(self.port())
            }
        }
    };
}

server!("mysql", crate::mariadb::MariaDb, kill, mysql);
server!("postgres", crate::postgres::Postgres, terminate, postgres);

/// `ReconnectRecipeTest.restart_on_execute_txn`: what was there before is there afterwards, and the loop has not noticed.
pub fn a_loop_of_selects_sees_no_error_while_its_server_is_restarted<C: Reading>(server: &impl Server) {
    let database = server.database("restarted");
    let stage = Stage::<C>::at(database.url(), |builder| builder);
    let reader = stage.engine.reconnecting();
    let reader = reader.num_retries(2_000).retry_interval(Duration::from_millis(30));
    let (reads, enough) = (AtomicU32::new(0), AtomicBool::new(false));
    let next_read = || {
        let seen = reads.load(Ordering::Relaxed);
        poll::until("the reader reads", SOON, || {
            (reads.load(Ordering::Relaxed) > seen + 1).then_some(())
        });
    };
    let answers = thread::scope(|threads| {
        let looping = threads.spawn(|| {
            let mut answers = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                answers.push(C::owners(&reader));
                reads.fetch_add(1, Ordering::Relaxed);
            }
            answers
        });
        // Whatever becomes of the servers, the loop comes to its end.
        let restarted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            next_read();
            for _ in 0..2 {
                server.restart();
                next_read();
            }
            server.kill_9();
            server.start();
            next_read();
        }));
        enough.store(true, Ordering::Relaxed);
        let answers = looping.join().expect("it only reads");
        restarted.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        answers
    });
    for answer in answers {
        assert_eq!(answer.expect("nobody notices"), names(&["Ann", "Bob"]));
    }
    let pool = stage.engine.pool();
    assert!(
        pool.closed() >= 3,
        "each restart has cost the connection that there was"
    );
    let log = stage.log.snapshot();
    let repeated = log.iter().filter(|line| line.starts_with("reconnecting")).count();
    assert!(repeated >= 3, "nor was any restart without a try that failed: {log:?}");
    assert_books(&stage);
}

/// The retries are counted and paused for, and when the server is back the reader needs nobody's help.
pub fn a_server_that_stays_down_is_an_error_after_exactly_n_retries<C: Reading>(server: &impl Server) {
    const PAUSE: Duration = Duration::from_secs(3);
    let database = server.database("stays_down");
    let (clock, turned) = Clock::test();
    let stage = Stage::<C>::at(database.url(), |builder| builder.clock(clock));
    let reader = stage.engine.reconnecting().num_retries(4).retry_interval(PAUSE);
    assert_eq!(C::owners(&reader).expect("the server runs"), names(&["Ann", "Bob"]));
    server.kill_9();
    stage.log.clear();
    for round in 1..=2 {
        let error = C::owners(&reader).expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert_eq!(error.attempts(), Some(5));
        assert!(
            error
                .to_string()
                .ends_with("; tried 5 times in 12.0s (12.0s of it asleep), and given up"),
            "{error}"
        );
        assert_eq!(turned.slept(), vec![PAUSE; 4 * round]);
    }
    let told = stage.log.take();
    let told: Vec<_> = told.iter().filter(|line| line.starts_with("reconnecting")).collect();
    assert_eq!(told.len(), 8, "{told:?}");
    assert_eq!(stage.engine.pool().checkedout(), 0);
    server.start();
    assert_eq!(C::owners(&reader).expect("it is back"), names(&["Ann", "Bob"]));
    assert_eq!(turned.slept().len(), 8);
    assert_books(&stage);
}

/// The stage's own way to the server did not survive it.
fn assert_books<C: Reading>(stage: &Stage<C>) {
    assert_eq!(stage.engine.pool().checkedout(), 0);
    stage.engine.pool().assert_invariants();
}

/// One that dies in the pool is replaced where its mode is set, and nothing was lost; one that dies under the SELECT costs a
/// pause.
pub fn a_killed_connection_costs_a_pause_at_most<C: Reading>(server: &'static impl Server) {
    let database = server.database("killed");
    let (clock, turned) = Clock::test();
    let stage = Stage::<C>::at(database.url(), |builder| builder.clock(clock));
    let reader = stage.engine.reconnecting();
    let backend = || {
        let mut raw = stage.engine.pool().checkout().expect("the server runs"); // clean, so that its return sends nothing
        raw.backend_id()
            .expect("it answers")
            .expect("a server knows its connections")
    };
    let first = backend();
    server.kill(first);
    assert_eq!(C::owners(&reader).expect("nobody notices"), names(&["Ann", "Bob"]));
    assert!(turned.slept().is_empty());
    let second = backend();
    assert_ne!(first, second);
    stage.log.expect(&["retire", "invalidate"]);
    // The mode comes first, and is a statement of another phase.
    stage.script.call_before(Phase::Statement, move || server.kill(second));
    assert_eq!(C::owners(&reader).expect("it is repeated"), names(&["Ann", "Bob"]));
    assert_eq!(turned.slept(), [Duration::from_secs(2)]);
    stage
        .log
        .expect(&["retire", "invalidate", "reconnecting, retry 1, after disconnect"]);
    stage.assert_whole();
}

/// What a network does in the middle of an answer. `streams` says whether rows reach the client one by one: then those that
/// were handed out stay handed out.
pub fn an_answer_that_is_cut_off_is_repeated_until_its_first_row<C: Reading>(server: &impl Server, streams: bool) {
    let database = server.database("cut_off");
    let (clock, turned) = Clock::test();
    let proxy = server.proxy();
    drop(Stage::<C>::at(database.url(), |builder| builder));
    let engine = Engine::<C>::builder(proxy.url(database.url()))
        .clock(clock)
        .build()
        .expect("a good URL");
    let reader = engine.reconnecting();
    let cut = |row| proxy.when(Trigger::Row(row)).within("owner").then(Fault::CutAfter);
    let mut pauses = 0;
    for row in [1, 2] {
        cut(row);
        assert_eq!(C::owners(&reader).expect("it is repeated"), names(&["Ann", "Bob"]));
        pauses += 1;
    }
    for (row, repeated) in [(1, true), (2, !streams)] {
        cut(row);
        let mut seen = Vec::new();
        let read = C::row_by_row(&reader, &mut |owner| {
            seen.push(owner?);
            Ok(())
        });
        pauses += usize::from(repeated);
        if repeated {
            read.expect("it is repeated");
            assert_eq!(seen, names(&["Ann", "Bob"]));
        } else {
            let error = read.expect_err("one row is out");
            assert!(error.is_disconnect() && error.attempts() == Some(1), "{error:?}");
            assert_eq!(seen, names(&["Ann"]));
        }
    }
    assert_eq!((turned.slept().len(), proxy.fired()), (pauses, 4));

    // Who is cut off each time is cut off so often and not once more.
    proxy.take_statements();
    proxy.when(Trigger::Containing("owner")).always().then(Fault::CutBefore);
    let error = C::owners(&reader.clone().num_retries(3)).expect_err("nothing comes through");
    assert!(error.is_disconnect() && error.attempts() == Some(4), "{error:?}");
    let sent = proxy.take_statements();
    assert_eq!(sent.iter().filter(|sql| sql.contains("owner")).count(), 4, "{sent:#?}");
    proxy.behave();

    // The mode is set, the statement is sent, the mode is put back: all of it prepared before.
    for _ in 0..2 {
        proxy.reset_round_trips();
        C::owners(&reader).expect("nothing is in its way");
    }
    assert_eq!(proxy.round_trips(), 3);
    assert_eq!(engine.pool().checkedout(), 0);
    engine.pool().assert_invariants();
}

/// `writing` are SELECTs that write, or lock rows where the type does not show it: the server refuses each, nothing is repeated, and nothing is written.
pub fn a_select_that_writes_is_refused_by_the_server<C: Reading>(stage: &Stage<C>, writing: &[&str]) {
    let reader = stage.engine.reconnecting();
    for text in writing {
        let error = C::select(&reader, text).expect_err(text);
        assert_eq!(
            (error.class(), error.attempts()),
            (Class::Permanent, Some(1)),
            "{error}"
        );
        let said = error.to_string().to_lowercase().replace('-', " ");
        assert!(said.contains("read only") || said.contains("readonly"), "{said}");
        assert_eq!(stage.balances(), [500, 0], "{text}");
    }
    let pool = stage.engine.pool();
    assert_eq!(
        (pool.generation(), pool.closed()),
        (0, 0),
        "to be refused costs no connection"
    );
    // A session may.
    for text in writing {
        let sql = format!("SELECT {text}");
        stage
            .engine
            .begin(|session| Ok(C::execute(session, &sql)?))
            .expect(text);
    }
    stage.assert_whole();
}

/// `raising` are SELECTs that fail in the words of a lost connection, which is asked, and answers.
pub fn an_error_that_only_looks_like_a_disconnect_is_not_repeated<C: Reading>(stage: &Stage<C>, raising: &[&str]) {
    let reader = stage.engine.reconnecting().retry_interval(SOON);
    for text in raising {
        let error = C::select(&reader, text).expect_err(text);
        assert_eq!((error.is_disconnect(), error.attempts()), (false, Some(1)), "{error:?}");
    }
    let pool = stage.engine.pool();
    assert_eq!((pool.generation(), pool.closed()), (0, 0));
    stage.log.expect(&[]);
    stage.assert_whole();
}
