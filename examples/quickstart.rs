//! Aludel in one sitting, on an SQLite file in a temporary folder: models, a transfer, a savepoint whose failure is
//! survived, a transaction that has to run again, and the errors that somebody will read at three in the morning.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! Needs a C compiler, for SQLite itself, and nothing else. Nothing in it is random and nothing sleeps: the rerun comes
//! from another connection that really holds the lock, and lets it go when it hears that we are about to try again.
//!
//! Lines with `│` in front are what was sent to the database. A lone BEGIN after a failure is Aludel's question whether
//! SQLite still has the transaction open: some failures end it, some do not, and only the database knows.

#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Error, Phase};
use aludel_examples::{heading, table, thousands};
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use schema::{accounts, coupons};

mod schema {
    diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
    diesel::table! { coupons (code) { code -> Text, account_id -> Integer, } }
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    owner: String,
    balance: i64,
    #[model(version)]
    version: i32,
}

/// Whoever has been here before has used it up: the key is the code.
#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = coupons)]
struct Coupon {
    #[model(key)]
    code: String,
    account_id: i32,
}

const ANN: i32 = 1;
const BOB: i32 = 2;
const SHOP: i32 = 3;

/// On a session with no transaction open this is a whole transaction: begun, committed, and run again from the start
/// when that is safe. Inside one, it joins.
#[retry(attempts = 5, deadline = "10s")]
fn transfer(session: &mut Session<SqliteConnection>, from: i32, to: i32, amount: i64) -> aludel::Result<i64> {
    let from = session.get_one::<Account>(from)?;
    let to = session.get_one::<Account>(to)?;
    session[from].balance -= amount;
    session[to].balance += amount;
    // Once, after the commit, however often this function runs.
    session.on_commit(move || println!("  on_commit: somebody is told about {amount}"));
    Ok(session[from].balance)
}

/// 100 for a purchase, or 80 with a coupon that nobody has used yet.
#[retry]
fn buy(session: &mut Session<SqliteConnection>, account: i32, code: &str) -> aludel::Result<i64> {
    // A savepoint: when the coupon is refused, the purchase goes on.
    let coupon = session.begin_nested(|nested| {
        nested.add(Coupon {
            code: code.to_owned(),
            account_id: account,
        });
        nested.flush()
    });
    let price = match coupon {
        Ok(()) => 80,
        Err(error) => {
            println!("  the coupon is refused: {error}");
            100
        }
    };
    transfer(session, account, SHOP, price)?; // joins, since a transaction is open
    Ok(price)
}

fn main() -> aludel::Result<()> {
    let folder = tempfile::tempdir().map_err(Error::other)?;
    let path = folder.path().join("bank.db");
    let path = path
        .to_str()
        .ok_or_else(|| Error::other("the temporary folder's path is not UTF-8"))?;

    // Another program that uses the same file. It is not there yet.
    let neighbour = Arc::new(Mutex::new(None::<SqliteConnection>));
    let to_wake = Arc::clone(&neighbour);
    // Faults for which nobody should need a dying disk; empty until the last section.
    let faults = FaultScript::new();

    let engine = Engine::<SqliteConnection>::builder(format!("sqlite://{path}?busy_timeout=20"))
        .faults(faults.clone())
        .listen(move |event| {
            if let Event::Rerun { attempt, cause, .. } = event {
                println!("  attempt {} failed: {cause}", attempt - 1);
                // Between the attempts nothing of ours is open: the other program finishes.
                if let Some(mut other) = to_wake.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    let committed = other.batch_execute("COMMIT").is_ok();
                    println!("  the other program commits meanwhile: {committed}");
                }
                println!("  attempt {attempt}:");
            }
        })
        .build()?; // connects to nothing yet

    heading("Three accounts");
    let mut session = engine.session();
    session.batch_execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL, \
         version INTEGER NOT NULL);
         CREATE TABLE coupons (code TEXT PRIMARY KEY, account_id INTEGER NOT NULL);",
    )?;
    session.commit()?;
    session.set_instrumentation(show);
    let ann = open_account(&mut session, "Ann", 500);
    open_account(&mut session, "Bob", 0);
    open_account(&mut session, "the shop", 0);
    session.commit()?; // written here, and the keys that the database has made are filled in
    println!("  Ann's key is {}", session[ann].id);

    heading("A transfer of 100 from Ann to Bob");
    let left = transfer(&mut session, ANN, BOB, 100)?;
    println!("  {left} left");

    heading("A savepoint: the same coupon, twice");
    buy(&mut session, ANN, "WELCOME")?;
    println!();
    let price = buy(&mut session, BOB, "WELCOME")?;
    println!("  paid {price}, and the transaction around the savepoint was none the worse");

    heading("A rerun: another program pays Ann 25 and is slow to commit");
    let mut other = SqliteConnection::establish(path).map_err(Error::other)?;
    other.batch_execute("BEGIN IMMEDIATE; UPDATE accounts SET balance = balance + 25 WHERE id = 1")?;
    *neighbour.lock().unwrap_or_else(PoisonError::into_inner) = Some(other);
    let left = transfer(&mut session, ANN, BOB, 50)?;
    println!("  {left} left: the second attempt has read Ann anew, with the 25");

    heading("Three in the morning: somebody has swallowed an error");
    let swallowed = engine.begin(|session| {
        session.set_instrumentation(show);
        let bob = session.get_one::<Account>(BOB)?;
        session[bob].balance -= 1;
        session.flush()?;
        // SQLite's way to throw away the whole transaction with one statement.
        let trap = diesel::sql_query("INSERT OR ROLLBACK INTO coupons VALUES ('WELCOME', 2)");
        let _ = trap.execute(session); // the bug
        transfer(session, SHOP, BOB, 1) // would be kept, while the 1 from Bob is lost
    });
    explain(swallowed);

    heading("Three in the morning: the answer to COMMIT never came");
    faults.fail_after(Phase::Commit, DatabaseErrorKind::Unknown, "disk I/O error");
    let unknown = transfer(&mut session, ANN, BOB, 10);
    if unknown.as_ref().is_err_and(Error::is_commit_unknown) {
        println!("  not run again: the 10 might be paid twice");
    }
    explain(unknown);

    heading("The books");
    let all = engine.begin(|session| Ok(accounts::table.select(Account::as_select()).load::<Account>(session)?))?;
    let total: i64 = all.iter().map(|account| account.balance).sum();
    let rows = all.iter().map(|account| {
        [
            account.owner.clone(),
            thousands(account.balance),
            account.version.to_string(),
        ]
    });
    let sum = ["sum".to_owned(), thousands(total), String::new()];
    println!("{}", table(&["owner", "balance", "version"], rows.chain([sum])));
    println!("500 to begin with and 25 from outside. The COMMIT without an answer had happened: Ann has paid the 10.");
    Ok(())
}

fn open_account(session: &mut Session<SqliteConnection>, owner: &str, balance: i64) -> Entity<Account> {
    session.add(Account {
        id: 0, // the database makes it
        owner: owner.to_owned(),
        balance,
        version: 0,
    })
}

/// What the database is asked, as it is asked.
fn show(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        let query = query.to_string();
        let statement = query.split(" -- binds").next().unwrap_or(&query);
        println!("  │ {}", statement.replace("`accounts`.", "").replace('`', ""));
    }
}

/// An error as a log would have it.
fn explain<T>(result: aludel::Result<T>) {
    match result {
        Ok(_) => println!("  (no error, which is news)"),
        Err(error) => println!("  kind {:?}, outcome {:?}\n  {error}", error.kind(), error.outcome()),
    }
}
