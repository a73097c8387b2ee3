//! `ResetOnReturn::Full`: nothing that a borrower has set, created, locked or prepared reaches the next one.

use aludel::pool::Adopted;
use aludel::prelude::*;
use diesel::PgConnection;
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection};
use diesel::sql_types::{BigInt, Bool, Text};

use crate::bank::{ANN, Bank, PgSession, accounts};

fn open(name: &str) -> Bank {
    Bank::open_with(name, |builder| {
        builder
            .pool_size(1)
            .max_overflow(0)
            .pool_reset_on_return(ResetOnReturn::Full)
            .isolation_level(IsolationLevel::RepeatableRead)
            .on_connect(|raw, _| Ok(raw.batch_execute("SET statement_timeout = '7s'")?))
    })
}

fn setting(connection: &mut impl LoadConnection<Backend = Pg>, name: &str) -> String {
    diesel::select(sql::<Text>(&format!("current_setting('{name}')")))
        .get_result(connection)
        .expect("the server has it")
}

fn balance(session: &mut PgSession) -> aludel::Result<i64> {
    Ok(accounts::table.find(ANN).select(accounts::balance).first(session)?)
}

fn counts(session: &mut PgSession, from: &str) -> i64 {
    diesel::select(sql::<BigInt>(&format!("(SELECT COUNT(*) FROM {from})")))
        .get_result(session)
        .expect("anybody may look")
}

#[test]
fn nothing_of_a_borrower_reaches_the_next_one_on_the_same_connection() -> aludel::Result<()> {
    let bank = open("full_reset");
    let first = bank.engine.begin(|session| {
        for statement in [
            "SET work_mem = '7MB'",
            "SET TIME ZONE 'Asia/Tokyo'",
            "SET statement_timeout = 0",
            "CREATE TEMPORARY TABLE scratch (id INT)",
            "SELECT pg_advisory_lock(7)",
            "LISTEN gossip",
            "PREPARE mine AS SELECT 1",
        ] {
            session.batch_execute(statement)?;
        }
        balance(session)?;
        Ok(Bank::pid(session))
    })?;
    let second = bank.engine.begin(|session| {
        assert_ne!(setting(session, "work_mem"), "7MB");
        assert_eq!(counts(session, "pg_class WHERE relname = 'scratch'"), 0);
        assert_eq!(counts(session, "pg_locks WHERE locktype = 'advisory'"), 0);
        assert_eq!(counts(session, "pg_listening_channels()"), 0);
        assert_eq!(counts(session, "pg_prepared_statements WHERE name = 'mine'"), 0);
        // As it was made: Diesel's own, the engine's, the hook's.
        assert_eq!(setting(session, "timezone"), "UTC");
        assert_eq!(setting(session, "transaction_isolation"), "repeatable read");
        assert_eq!(setting(session, "statement_timeout"), "7s");
        // Diesel had kept this one prepared.
        assert_eq!(balance(session)?, 500);
        Ok(Bank::pid(session))
    })?;
    assert_eq!(first, second, "it was reset, not replaced");
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn a_transaction_left_open_is_rolled_back_first() -> aludel::Result<()> {
    let bank = open("full_reset_open");
    let mut raw = bank.engine.raw_connection()?;
    raw.batch_execute("BEGIN; UPDATE accounts SET balance = 0; SELECT pg_advisory_lock(7)")?;
    assert!(raw.batch_execute("SELECT * FROM nowhere").is_err());
    drop(raw);
    let mut raw = bank.engine.raw_connection()?;
    let free = diesel::select(sql::<Bool>(
        "NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')",
    ));
    assert!(free.get_result::<bool>(&mut *raw)?);
    drop(raw);
    assert_eq!((bank.books().0, bank.engine.pool().closed()), (500, 0));
    Ok(())
}

#[test]
fn many_resets_in_a_row_leave_the_same_connection_in_use() -> aludel::Result<()> {
    let bank = open("full_reset_many");
    let pids: Vec<i32> = (0..5)
        .map(|_| {
            bank.engine.begin(|session| {
                balance(session)?;
                Ok(Bank::pid(session))
            })
        })
        .collect::<aludel::Result<_>>()?;
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let plain: &Engine<PgConnection> = &bank.engine;
    assert_eq!(plain.pool().opened(), 1);
    Ok(())
}

/// Sets what only it can set again.
#[derive(Debug)]
struct Tenant;

impl CustomizeConnection<PgConnection, r2d2::Error> for Tenant {
    fn on_acquire(&self, raw: &mut PgConnection) -> Result<(), r2d2::Error> {
        raw.batch_execute("SET search_path = tenant_7")
            .map_err(r2d2::Error::QueryError)
    }
}

/// `DISCARD ALL` would take away what a creator has set, or the customizer of an r2d2 pool.
#[test]
fn what_somebody_else_has_set_up_is_there_again() -> aludel::Result<()> {
    let bank = Bank::open("full_reset_creator");
    let url = bank.database.url().to_owned();
    let theirs = r2d2::Pool::builder()
        .max_size(1)
        .connection_customizer(Box::new(Tenant))
        .build(ConnectionManager::new(&url))
        .expect("the server runs");
    let builder = || Engine::<PgConnection>::builder(bank.database.url()).pool_reset_on_return(ResetOnReturn::Full);
    let created = builder().pool_size(1).max_overflow(0).creator(move || {
        let mut raw = PgConnection::establish(&url)?;
        let set = Tenant.on_acquire(&mut raw);
        set.map_err(|error| diesel::ConnectionError::BadConnection(error.to_string()))?;
        Ok(raw)
    });
    for engine in [created.build()?, builder().pool(Adopted(theirs)).build()?] {
        for _ in 0..3 {
            let seen = engine.begin(|session| Ok(setting(session, "search_path")))?;
            assert_eq!(seen, "tenant_7");
        }
        assert_eq!(engine.pool().checkedout(), 0);
    }
    Ok(())
}
