//! What is done once for a key, on `SQLite`.

use std::time::Duration;

use aludel::prelude::*;
use aludel_tests::once_stories;
use diesel::prelude::*;

use crate::verify::scene;

once_stories!(scene);

#[test]
fn a_table_is_made_in_the_transaction_and_vanishes_with_it() -> aludel::Result<()> {
    // There is no other connection on which it could be made while a transaction is open.
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    let refused = session.begin(|session| {
        session.once("a", |_| Ok(1))?;
        session.once("b", |_| Ok(1))?;
        Err::<(), _>(aludel::Error::other("no"))
    });
    refused.expect_err("it said so");
    for value in [2, 3] {
        assert_eq!(session.begin(|session| session.once("a", |_| Ok(value)))?, 2);
    }
    for value in [4, 5] {
        assert_eq!(session.once("b", |_| Ok(value))?, 4);
    }
    assert_eq!(engine.purge_results(Duration::from_hours(1))?, 0);
    Ok(())
}

#[test]
fn in_autocommit_nothing_is_done() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    session.execution_options(aludel::ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    let error = session.once("a", |_| Ok(())).expect_err("there is no transaction");
    assert!(error.to_string().contains("AUTOCOMMIT"), "{error}");
    Ok(())
}
