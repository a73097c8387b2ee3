//! AUTOCOMMIT: no transaction is begun, each statement stands for itself, and nobody pretends otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aludel::prelude::*;
use aludel::{Error, ErrorKind};
use aludel_tests::stories as watched;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::stories::{Account, Bank, withdraw};

const AUTOCOMMIT: ExecutionOptions = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);

#[test]
fn autocommit_isolation_level() -> aludel::Result<()> {
    let bank = Bank::open();
    let engine = bank.engine.execution_options(AUTOCOMMIT)?;
    let mut session = engine.session();
    assert_eq!(session.isolation_level()?, IsolationLevel::Autocommit);
    withdraw(&mut session, 1, 100)?;
    assert_eq!(bank.balances(), [400, 0], "it is there at once");
    assert!(!session.in_transaction());
    session.rollback()?;
    assert_eq!(bank.balances(), [400, 0], "and stays");
    withdraw(&mut session, 1, 100)?;
    session.commit()?;
    drop(session);
    assert_eq!(bank.balances(), [300, 0]);
    bank.log.expect(&[]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn only_the_statements_themselves_are_sent() -> aludel::Result<()> {
    let bank = Bank::open();
    let engine = bank.engine.execution_options(AUTOCOMMIT)?;
    let mut connection = engine.connect();
    connection.set_instrumentation(watched::statements(&bank.log));
    connection.batch_execute("VACUUM")?;
    connection.commit()?;
    connection.batch_execute("DELETE FROM accounts WHERE id = 2")?;
    connection.rollback()?;
    connection.close()?;
    drop(connection);
    bank.log.expect(&["VACUUM", "DELETE FROM accounts WHERE id = 2"]);
    assert_eq!(bank.balances(), [500]);
    Ok(())
}

#[track_caller]
fn is_refused<T>(result: Result<T, Error>, verb: &str) {
    let Err(error) = result else { panic!("{verb} has run") };
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{verb} was called in AUTOCOMMIT")), "{text}");
    assert!(text.contains("build_transaction().isolation_level(..)"), "{text}");
}

#[retry]
fn rerun(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    withdraw(session, 1, 100)
}

#[test]
fn whatever_wants_a_transaction_is_refused() -> aludel::Result<()> {
    let bank = Bank::open();
    let engine = bank.engine.execution_options(AUTOCOMMIT)?;
    let mut session = engine.session();
    for statements_before in [false, true] {
        if statements_before {
            session.batch_execute("SELECT 1")?;
        }
        is_refused(session.begin(|session| withdraw(session, 1, 100)), "begin or #[retry]");
        is_refused(rerun(&mut session), "begin or #[retry]");
        is_refused(
            session.begin_nested(|session| withdraw(session, 1, 100)),
            "begin_nested",
        );
        let diesels = session.transaction::<(), Error, _>(|session| withdraw(session, 1, 100));
        is_refused(diesels, "transaction");
        is_refused(
            session.begin_test_transaction().map_err(Error::from),
            "begin_test_transaction",
        );
        let read_only = session.build_transaction().read_only().run(|_| Ok(()));
        is_refused(read_only, "begin or #[retry]");
    }
    is_refused(engine.begin(|session| withdraw(session, 1, 100)), "begin or #[retry]");
    assert_eq!(bank.balances(), [500, 0]);
    bank.log.expect(&[]);
    Ok(())
}

#[test]
fn a_transaction_with_a_level_of_its_own_is_one() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.execution_options(AUTOCOMMIT)?.session();
    withdraw(&mut session, 1, 1)?;
    let failed: aludel::Result<()> = session.build_transaction().serializable().run(|session| {
        assert_eq!(session.isolation_level()?, IsolationLevel::Serializable);
        session.begin_nested(|nested| withdraw(nested, 1, 100))?;
        session.transaction(|session| withdraw(session, 1, 100))?;
        Err(Error::other("changed my mind"))
    });
    assert_eq!(
        failed.unwrap_err().to_string(),
        "changed my mind [rolled back, nothing was written]"
    );
    assert_eq!(bank.balances(), [499, 0]);
    let log = [
        "begin",
        "savepoint 1",
        "release 1",
        "savepoint 1",
        "release 1",
        "rollback",
    ];
    bank.log.expect(&log);
    withdraw(&mut session, 1, 1)?;
    assert_eq!(bank.balances(), [498, 0], "and afterwards it is as before");
    Ok(())
}

#[test]
fn options_change_between_statements() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    withdraw(&mut session, 1, 100)?;
    // no_autocommit_w_begin
    assert!(session.execution_options(AUTOCOMMIT).is_err());
    session.commit()?;
    session.execution_options(AUTOCOMMIT)?;
    withdraw(&mut session, 1, 100)?;
    session.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Serializable))?;
    withdraw(&mut session, 1, 100)?;
    session.rollback()?;
    assert_eq!(bank.balances(), [300, 0]);
    Ok(())
}

#[test]
fn a_failed_statement_dooms_nothing() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.execution_options(AUTOCOMMIT)?.session();
    withdraw(&mut session, 1, 100)?;
    assert!(session.batch_execute("INSERT INTO nowhere VALUES (1)").is_err());
    assert!(!session.is_doomed());
    withdraw(&mut session, 1, 100)?;
    session.invalidate("for the test");
    withdraw(&mut session, 1, 100)?; // on another connection, as nothing was lost
    session.commit()?;
    assert_eq!(bank.balances(), [200, 0]);
    assert!(!bank.log.take().contains(&"doomed".to_owned()));
    bank.assert_whole();
    Ok(())
}

#[test]
fn objects_are_read_and_not_written() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.execution_options(AUTOCOMMIT)?.session();
    let ann = session.get_one::<Account>(1)?;
    let bob = session.get_one::<Account>(2)?;
    assert_eq!(
        session[ann].balance - session[bob].balance,
        500,
        "the second read takes nothing from the first"
    );
    session.edit(ann)?.balance -= 100; // read again: each statement has looked at another moment
    let refused = session.flush().unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("objects were added, changed or deleted in AUTOCOMMIT"),
        "{refused}"
    );
    assert!(session.commit().is_err());
    session.rollback()?;
    assert_eq!(session.read(ann)?.balance, 500);
    session.build_transaction().serializable().run(|session| {
        session.edit(ann)?.balance -= 100;
        Ok(())
    })?;
    assert_eq!(bank.balances(), [400, 0]);
    Ok(())
}

#[test]
fn a_hook_has_nothing_to_wait_for() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.execution_options(AUTOCOMMIT)?.session();
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    session.on_commit(move || tell.store(true, Ordering::Relaxed));
    assert!(told.swap(false, Ordering::Relaxed), "at once");
    let tell = Arc::clone(&told);
    session.build_transaction().serializable().run(|session| {
        session.on_commit(move || tell.store(true, Ordering::Relaxed));
        assert!(!told.load(Ordering::Relaxed), "in a transaction it waits");
        Ok(())
    })
}

#[test]
fn a_transaction_left_open_by_raw_access_is_rolled_back_and_told() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.execution_options(AUTOCOMMIT)?.session();
    let left = session.with_raw(|raw| Ok(raw.batch_execute("BEGIN; DELETE FROM accounts")?));
    assert!(left.unwrap_err().to_string().contains("left a transaction open"));
    let failed: aludel::Result<()> = session.with_raw(|raw| {
        raw.batch_execute("BEGIN; DELETE FROM accounts")?;
        Err(Error::other("changed my mind"))
    });
    let failed = failed.unwrap_err().to_string();
    assert!(failed.starts_with("changed my mind"), "{failed}");
    withdraw(&mut session, 1, 100)?; // stands for itself, and not in what was left
    assert_eq!(bank.balances(), [400, 0]);
    session.with_raw(|raw| Ok(raw.batch_execute("BEGIN; UPDATE accounts SET balance = 7; COMMIT")?))?;
    drop(session);
    assert_eq!(bank.balances(), [7, 7]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_reader_in_autocommit_cannot_write_and_the_next_borrower_can() -> aludel::Result<()> {
    let bank = Bank::open();
    let reader = bank.engine.execution_options(AUTOCOMMIT.read_only())?;
    let mut session = reader.session();
    session.batch_execute("SELECT 1")?;
    assert!(withdraw(&mut session, 1, 100).is_err());
    session.invalidate("for the test");
    assert!(
        withdraw(&mut session, 1, 100).is_err(),
        "nor on the connection that takes its place"
    );
    drop(session);
    bank.engine.begin(|session| withdraw(session, 1, 100))?;
    assert_eq!(bank.balances(), [400, 0]);
    bank.assert_whole();
    Ok(())
}
