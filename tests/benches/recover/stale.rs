//! Connections that have gone stale in the pool: how many of the calls that meet them fail.
//!
//! Everything is counted and nothing timed, so the figures are exact.

use aludel::Dialect;
use aludel::prelude::*;
use aludel_tests::figures::{comment, count};
use aludel_tests::outage::Server;
use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{MysqlConnection, PgConnection};

/// Idle connections in each pool when the server is restarted, and calls afterwards.
const STALE: u32 = 20;

pub(crate) fn measure(mariadb: &dyn Server, postgres: &dyn Server) {
    comment("calls that fail out of twenty after a restart of the server, with twenty idle connections and no ping");
    let servers = [
        ("mariadb", failed_after_a_restart::<MysqlConnection>(mariadb)),
        ("postgres", failed_after_a_restart::<PgConnection>(postgres)),
    ];
    let most = servers.iter().map(|(_, failed)| failed.statements).max();
    count("recover.stale20.failed_statements", most.unwrap_or_default());
    for (server, failed) in servers {
        count(
            &format!("recover.stale20.{server}.failed_statements"),
            failed.statements,
        );
        count(
            &format!("recover.stale20.{server}.failed_transactions"),
            failed.transactions,
        );
        count(&format!("recover.stale20.{server}.failed_in_r2d2"), failed.in_r2d2);
    }
}

/// Calls that failed.
struct Failed {
    /// Statements on raw connections of an engine, which nobody can repeat for their owner.
    statements: u64,
    /// Transactions of sessions, whose BEGIN can be repeated.
    transactions: u64,
    /// Statements on connections of an r2d2 pool that does not ping either.
    in_r2d2: u64,
}

fn failed_after_a_restart<C: Dialect>(server: &dyn Server) -> Failed {
    let database = server.database("recover");
    let engine = || {
        let engine = Engine::<C>::builder(database.url())
            .pool_size(STALE as usize)
            .max_overflow(0)
            .build()
            .expect("the options fit together");
        let held: Vec<_> = (0..STALE).map(|_| engine.raw_connection()).collect();
        assert!(held.iter().all(Result::is_ok), "the server is up");
        drop(held);
        assert_eq!(engine.pool().checkedin(), STALE as usize);
        engine
    };
    let (raw, sessions) = (engine(), engine());
    let r2d2 = Pool::builder()
        .max_size(STALE)
        .test_on_check_out(false)
        .build(ConnectionManager::<C>::new(database.url()))
        .expect("the server is up");
    assert_eq!(r2d2.state().idle_connections, STALE);

    server.restart();
    Failed {
        statements: failures(|| Ok(raw.raw_connection()?.batch_execute("SELECT 1")?)),
        transactions: failures(|| Ok(sessions.begin(|session| Ok(session.batch_execute("SELECT 1")?))?)),
        in_r2d2: failures(|| Ok(r2d2.get()?.batch_execute("SELECT 1")?)),
    }
}

fn failures(call: impl Fn() -> Result<(), Box<dyn std::error::Error>>) -> u64 {
    (0..STALE).filter(|_| call().is_err()).map(|_| 1).sum()
}
