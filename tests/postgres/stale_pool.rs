//! Connections that died while they were in the pool.

use aludel::prelude::*;
use diesel::PgConnection;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, PgSession, look, pay};

#[retry]
fn deposit(session: &mut Session<PgConnection>) -> aludel::Result<()> {
    pay(session, BOB, 1)?;
    Ok(())
}

impl Bank {
    /// A pool of five connections, all of them dead.
    fn fill_with_five_dead_connections(&self) {
        let mut sessions: Vec<PgSession> = (0..5).map(|_| self.engine.session()).collect();
        for session in &mut sessions {
            look(session).expect("the server is alive");
        }
        drop(sessions);
        assert_eq!(self.engine.pool().checkedin(), 5);
        self.kill_all();
        self.log.take();
    }
}

#[test]
fn one_stale_connection_is_invisible_to_engine_begin() {
    let bank = Bank::open("stale");
    look(&mut bank.engine.session()).expect("the server is alive");
    bank.kill_all();
    bank.log.take();
    bank.engine
        .begin(|session| Ok(pay(session, ANN, -100)?))
        .expect("BEGIN can be repeated without a thought");
    assert_eq!(bank.books(), (400, 500, 0));
    bank.log
        .expect(&["fault disconnect in Begin", "retire", "invalidate", "begin", "commit"]);
    bank.expect_whole_pool();
}

#[test]
fn five_stale_connections_cost_fifty_calls_no_failure_and_retire_the_pool_once() {
    let bank = Bank::open("five_stale");
    bank.fill_with_five_dead_connections();
    let failures = (0..50)
        .filter(|_| bank.engine.begin(|session| Ok(pay(session, BOB, 1)?)).is_err())
        .count();
    assert_eq!(failures, 0);
    assert_eq!(bank.times("retire"), 1, "{:?}", bank.log);
    assert_eq!(bank.times("fault disconnect in Begin"), 1, "{:?}", bank.log);
    assert_eq!(bank.books(), (500, 550, 0));
    bank.expect_whole_pool();
}

#[test]
fn five_stale_connections_cost_a_retry_function_no_failure_and_no_rerun() {
    let bank = Bank::open("five_retry");
    bank.fill_with_five_dead_connections();
    for _ in 0..50 {
        deposit(&mut bank.engine.session()).expect("a fresh connection is to be had");
    }
    assert_eq!((bank.times("retire"), bank.times("begin")), (1, 50), "{:?}", bank.log);
    assert_eq!(bank.books(), (500, 550, 0));
    bank.expect_whole_pool();
}

#[test]
fn five_connections_killed_under_five_open_sessions_retire_the_pool_once() {
    let bank = Bank::open("five_open");
    let mut sessions: Vec<PgSession> = (0..5).map(|_| bank.engine.session()).collect();
    for session in &mut sessions {
        look(session).expect("the server is alive");
    }
    bank.kill_all();
    for session in &mut sessions {
        assert!(aludel::Error::from(look(session).unwrap_err()).is_disconnect());
        session.rollback().expect("nothing is left to tell the server");
    }
    for session in &mut sessions {
        look(session).expect("each finds a fresh connection");
    }
    drop(sessions);
    assert_eq!(
        (bank.times("retire"), bank.times("invalidate")),
        (1, 5),
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn a_stale_connection_is_not_blamed_for_what_fails_on_the_fresh_one() {
    let bank = Bank::open("blame");
    look(&mut bank.engine.session()).expect("the server is alive");
    bank.kill_all();
    let error = bank
        .engine
        .begin(|session| Ok(crate::bank::another_ann(session)?))
        .unwrap_err();
    assert!(!error.is_disconnect() && !error.is_retryable(), "{error:?}");
    assert!(error.to_string().starts_with(crate::bank::ANN_EXISTS), "{error}");
}

#[test]
fn a_stale_connection_makes_no_mistake_of_the_caller_run_again() {
    let bank = Bank::open("own_mistake");
    look(&mut bank.engine.session()).expect("the server is alive");
    bank.kill_all();
    let mut runs = 0;
    let error = bank
        .engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |_| {
            runs += 1;
            Err::<(), _>(aludel::Error::other("the caller's own mistake"))
        })
        .unwrap_err();
    assert_eq!((runs, error.is_retryable()), (1, false), "{error:?}");
}

#[test]
fn pre_ping_finds_the_dead_before_begin_does() {
    let bank = Bank::open_with("pre_ping", |builder| builder.pool_pre_ping(PrePing::Always));
    bank.fill_with_five_dead_connections();
    for _ in 0..5 {
        bank.engine
            .begin(|session| Ok(look(session)?))
            .expect("the ping has replaced it");
    }
    assert_eq!(
        (bank.times("retire"), bank.times("fault disconnect in Begin")),
        (1, 0),
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn a_restarted_server_is_found_again_without_a_failure() {
    let server = aludel_tests::postgres::private();
    let database = server.database("restarted");
    let engine = Engine::<PgConnection>::new(database.url()).expect("the URL is a good one");
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE t (a INTEGER)")
        .execute(&mut session)
        .expect("it is ours");
    session.commit().expect("nothing is in its way");
    server.restart();
    engine
        .begin(|session| Ok(diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?))
        .expect("the pooled connection died unseen");
    engine.pool().assert_invariants();
}
