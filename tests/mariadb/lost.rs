//! Savepoints and whole transactions that the server has lost (facts D6, D8, D18).

use aludel::Phase;
use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Bank, withdraw};

#[test]
fn a_failing_release_dooms_the_root_and_closes_the_connection() -> aludel::Result<()> {
    let bank = Bank::open("release_fails");
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            let lost = session
                .begin_nested(|nested| {
                    withdraw(nested, 1, 100)?;
                    nested.with_raw(|raw| Ok(raw.batch_execute("RELEASE SAVEPOINT aludel_sp_1")?))
                })
                .expect_err("there is nothing to release");
            assert!(
                lost.is_doomed() && lost.to_string().contains("SAVEPOINT aludel_sp_1 does not exist"),
                "{lost}"
            );
            assert!(withdraw(session, 1, 1).expect_err("the root is doomed").is_doomed());
            Ok(())
        })
        .expect_err("it cannot be committed");
    assert!(
        error
            .to_string()
            .contains("first cause: SAVEPOINT aludel_sp_1 does not exist"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    let log = bank.log.take();
    assert!(
        log.contains(&"invalidate".to_owned()) && !log.contains(&"retire".to_owned()),
        "{log:?}"
    );
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_failing_rollback_to_keeps_the_first_error() -> aludel::Result<()> {
    let bank = Bank::open("rollback_to_fails");
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            session.begin_nested(|nested| -> aludel::Result<()> {
                nested.with_raw(|raw| Ok(raw.batch_execute("RELEASE SAVEPOINT aludel_sp_1")?))?;
                Err(aludel::Error::other("not enough tea"))
            })
        })
        .expect_err("it fails");
    assert!(error.to_string().starts_with("not enough tea"), "{error}");
    assert!(error.later()[0].to_string().contains("does not exist"), "{error}");
    assert_eq!(bank.balances(), [500, 0]);
    assert!(bank.log.take().contains(&"invalidate".to_owned()));
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_release_that_fails_for_another_reason_is_rolled_back_on_the_spot() -> aludel::Result<()> {
    let bank = Bank::open("release_refused");
    bank.script.fail_before(
        Phase::Release,
        DatabaseErrorKind::Unknown,
        "Disk full (/tmp); waiting for someone to free some space",
    );
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            session.begin_nested(|nested| withdraw(nested, 1, 100))
        })
        .expect_err("nobody knows what is kept");
    assert!(error.to_string().starts_with("Disk full"), "{error}");
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn ddl_commits_and_a_new_root_goes_on() -> aludel::Result<()> {
    let bank = Bank::open("ddl");
    let failed: aludel::Result<()> = bank.engine.begin(|session| {
        withdraw(session, 1, 100)?;
        session.batch_execute("CREATE TABLE extra (a INT)")?; // commits what was before it
        withdraw(session, 1, 1)?;
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    assert_eq!(
        bank.balances(),
        [400, 0],
        "what came after it was rolled back, not in autocommit"
    );

    let error = bank
        .engine
        .begin(|session| {
            session.begin_nested(|nested| {
                withdraw(nested, 1, 1)?;
                diesel::sql_query("DROP TABLE extra").execute(nested)?;
                Ok(())
            })
        })
        .expect_err("its savepoint is gone");
    assert!(
        error.is_doomed() && error.to_string().contains("DROP TABLE extra"),
        "{error}"
    );
    assert_eq!(error.outcome(), Some(aludel::Outcome::Committed));
    assert_eq!(bank.balances(), [399, 0], "what came before it was committed");
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_transaction_that_was_ended_on_the_raw_connection_is_noticed() -> aludel::Result<()> {
    let bank = Bank::open("raw_rollback");
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            session.with_raw(|raw| Ok(raw.batch_execute("ROLLBACK")?))?;
            assert!(withdraw(session, 1, 1).is_err(), "it would be in autocommit");
            Ok(())
        })
        .expect_err("there is nothing to commit");
    assert!(
        error.is_doomed() && error.to_string().contains("ended on the raw connection"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    Ok(())
}
