//! Ambient sessions: what is lent, to whom, and what the transactions of ambient functions are.

use aludel::plumbing::{Ambient, retry_ambient, transactional_ambient};
use aludel::prelude::*;
use aludel::{Propagation, RetryPolicy, TransactionPolicy};
use diesel::prelude::*;

use crate::stories::{Bank, withdraw};

fn take(id: i32, amount: i64) -> aludel::Result<()> {
    aludel::current(|session| withdraw(session, id, amount))
}

/// The innermost of three.
fn pay(amount: i64) -> aludel::Result<()> {
    transactional_ambient(Ambient::innermost(), &TransactionPolicy::new(), "pay", || {
        take(1, amount)
    })
}

/// The one in the middle.
fn order(amount: i64) -> aludel::Result<()> {
    retry_ambient(Ambient::innermost(), &RetryPolicy::new(), "order", || {
        take(1, 1)?;
        pay(amount)
    })
}

/// The outermost.
fn shop(amount: i64) -> aludel::Result<()> {
    transactional_ambient(Ambient::innermost(), &TransactionPolicy::new(), "shop", || {
        take(1, 10)?;
        order(amount)
    })
}

#[test]
fn three_deep_is_one_transaction() {
    let bank = Bank::open();
    bank.engine.scope(|| shop(100)).expect("Ann has enough");
    bank.log.expect(&["begin", "commit"]);
    assert_eq!(bank.balances(), [389, 0]);
    bank.assert_whole();
}

#[test]
fn an_error_in_the_innermost_of_three_undoes_all_of_it() {
    let bank = Bank::open();
    let error = bank.engine.scope(|| shop(1000)).unwrap_err();
    assert!(error.to_string().contains("CHECK constraint failed"), "{error}");
    bank.log.expect(&["begin", "rollback"]);
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn requires_new_stands_whatever_becomes_of_the_one_around_it() {
    let bank = Bank::open();
    let audit = TransactionPolicy::new().propagation(Propagation::RequiresNew);
    let refused = bank.engine.scope(|| {
        transactional_ambient(Ambient::innermost(), &TransactionPolicy::new(), "shop", || {
            aludel::current(|session: &mut Session<SqliteConnection>| {
                diesel::sql_query("SELECT 1").execute(session)?;
                Ok(())
            })?;
            transactional_ambient(Ambient::innermost(), &audit, "audit", || take(1, 10))?;
            Err::<(), _>(aludel::Error::other("no"))
        })
    });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "no [rolled back, nothing was written]"
    );
    bank.log.expect(&["begin", "begin", "commit", "rollback"]);
    assert_eq!(bank.balances(), [490, 0]);
    bank.assert_whole();
}
