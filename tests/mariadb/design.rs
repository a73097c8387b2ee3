//! The code that users were promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stories::Bank;
use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
diesel::table! { ledger (id) { id -> Integer, account -> Integer, amount -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    owner: String,
    balance: i64,
    #[model(version)]
    version: i32,
}

/// On a session with no transaction open it is a whole transaction.
#[retry(attempts = 5, deadline = "10s")]
fn transfer(session: &mut Session<MysqlConnection>, from: i32, to: i32, amount: i64) -> aludel::Result<i64> {
    let from = session.get_one::<Account>(from)?;
    let to = session.get_one::<Account>(to)?;
    session[from].balance -= amount;
    session[to].balance += amount;
    session.begin_nested(|nested| {
        diesel::insert_into(ledger::table)
            .values((ledger::account.eq(1), ledger::amount.eq(amount)))
            .execute(nested)?;
        Ok(())
    })?;
    Ok(session[from].balance)
}

#[test]
fn the_quick_tour() -> aludel::Result<()> {
    let bank = Bank::open("design");
    let engine = bank.engine.clone();
    bank.server.execute_in(
        bank.database.name(),
        "CREATE TABLE ledger (id INTEGER AUTO_INCREMENT PRIMARY KEY, account INTEGER NOT NULL, amount BIGINT NOT NULL)",
    );
    assert_eq!(transfer(&mut engine.session(), 1, 2, 100)?, 400);
    let rich = engine.begin(|session| {
        Ok(accounts::table
            .filter(accounts::balance.gt(300))
            .load::<Account>(session)?)
    })?;
    assert_eq!(rich.len(), 1);
    assert_eq!(
        (rich[0].owner.as_str(), rich[0].balance, rich[0].version),
        ("Ann", 400, 2)
    );

    let told = Arc::new(AtomicUsize::new(0));
    let mut session = engine.session();
    let carol = session.add(Account {
        id: 0,
        owner: "Carol".into(),
        balance: 7,
        version: 0,
    });
    let teller = Arc::clone(&told);
    session.on_commit(move || {
        teller.fetch_add(1, Ordering::SeqCst);
    });
    session.commit()?;
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(session[carol].id, 3);
    engine.dispose();
    assert_eq!(engine.pool().checkedin(), 0);
    Ok(())
}

#[test]
fn every_option_of_the_builder() -> aludel::Result<()> {
    let bank = Bank::open("options");
    let engine = Engine::<MysqlConnection>::builder(bank.database.url_with("connect_timeout", "5"))
        .pool_size(5)
        .max_overflow(10)
        .pool_timeout(Duration::from_secs(30))
        .pool_recycle(Duration::from_hours(1))
        .pool_pre_ping(PrePing::IdleFor(Duration::from_millis(500)))
        .pool_use_lifo(true)
        .pool_reset_on_return(ResetOnReturn::Rollback)
        .isolation_level(IsolationLevel::ReadCommitted)
        .echo(false)
        .echo_pool(false)
        .hide_parameters(true)
        .logging_name("bank")
        .listen(|_: &Event<'_>| {})
        .on_connect(|_: &mut MysqlConnection, _| Ok(()))
        .on_checkout(|_: &mut MysqlConnection, _| Ok(()))
        .handle_error(|_: &mut ErrorContext<'_>| {})
        .build()?;
    let level = engine.begin(|session| {
        Ok(
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("@@tx_isolation"))
                .get_result::<String>(session)?,
        )
    })?;
    assert_eq!(level, "READ-COMMITTED");
    println!("{}", engine.pool().status());
    engine.dispose();
    Ok(())
}
