//! What the ecosystem has for r2d2 plugs into our pool.

use aludel::clock::Clock;
use aludel::event::Listeners;
use aludel::pool::{Managed, Pool, PoolOptions, PrePing};
use aludel_tests::sqlite;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::ConnectionManager;

#[test]
fn diesels_connection_manager_plugs_in() -> Result<(), Box<dyn std::error::Error>> {
    let file = sqlite::file();
    let manager = ConnectionManager::<SqliteConnection>::new(file.path().display().to_string());
    let options = PoolOptions {
        pool_size: 2.into(),
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    };
    let pool = Pool::new(Managed(manager), options, Clock::system(), Listeners::default());
    pool.checkout()?.batch_execute("CREATE TABLE t (a INTEGER)")?;
    pool.checkout()?.batch_execute("INSERT INTO t VALUES (1)")?;
    assert_eq!((pool.opened(), pool.checkedin()), (1, 1));
    pool.assert_invariants();
    Ok(())
}

#[test]
fn a_manager_that_cannot_connect_says_so_at_once() {
    // r2d2's own pool would keep its caller for the whole timeout, half a minute by default.
    let manager = ConnectionManager::<SqliteConnection>::new("/nowhere/at/all/bank.db");
    let (clock, time) = Clock::test();
    let pool = Pool::new(Managed(manager), PoolOptions::default(), clock, Listeners::default());
    let error = pool.checkout().expect_err("there is no such folder");
    let source = std::error::Error::source(&error).expect("the cause stays").to_string();
    assert!(
        source.contains("Unable to open") || source.contains("unable to open"),
        "{source}"
    );
    assert_eq!(time.slept(), []);
    pool.assert_invariants();
}
