//! Who begins, who joins, who ends: roots that began by themselves, scopes, savepoints, Diesel's `transaction`.

use aludel::ErrorKind;
use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::stories::{Account, Bank, accounts, withdraw};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("session/migrations");

#[test]
fn autobegin_commit_and_rollback() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    assert!(!session.in_transaction());
    withdraw(&mut session, 1, 100)?;
    assert!(session.in_transaction());
    assert_eq!(bank.balances(), [500, 0]);
    session.commit()?;
    assert_eq!(bank.balances(), [400, 0]);
    withdraw(&mut session, 1, 100)?;
    session.rollback()?;
    assert_eq!(bank.balances(), [400, 0]);
    bank.log.expect(&["begin", "commit", "begin", "rollback"]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn commit_and_rollback_without_a_transaction_do_nothing() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    session.commit()?;
    session.rollback()?;
    bank.log.expect(&[]);
    Ok(())
}

#[test]
fn dropping_a_session_rolls_back_and_warns_of_lost_writes_only() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    withdraw(&mut session, 1, 100)?;
    drop(session);
    bank.log.expect(&["begin", "dropped uncommitted", "rollback"]);

    let mut session = bank.engine.session();
    accounts::table.count().get_result::<i64>(&mut session)?;
    drop(session);
    bank.log.expect(&["begin", "rollback"]);

    let mut session = bank.engine.session();
    session.add(Account::new("Carol", 1));
    drop(session);
    bank.log.expect(&["dropped uncommitted"]);
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_scope_does_not_join_what_began_by_itself() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    accounts::table.count().get_result::<i64>(&mut session)?;
    session.begin(|session| withdraw(session, 1, 100))?;
    bank.log.expect(&["begin", "commit", "begin", "commit"]);

    withdraw(&mut session, 1, 100)?;
    let error = session.begin(|_| Ok(())).expect_err("somebody has unfinished work");
    assert!(error.is_transaction_already_open());
    assert_eq!(error.kind(), ErrorKind::TransactionAlreadyOpen);
    let text = error.to_string();
    assert!(
        text.contains("UPDATE `accounts`") && text.contains("commit()") && text.contains("transactions.rs"),
        "{text}"
    );
    session.commit()?;
    assert_eq!(bank.balances(), [300, 0]);

    session.add(Account::new("Carol", 1));
    let error = session.begin(|_| Ok(())).expect_err("an object is pending");
    assert!(error.to_string().contains("unflushed changes of Account"), "{error}");
    Ok(())
}

#[test]
fn a_joined_scope_passes_its_failure_up_and_nobody_commits_over_it() -> aludel::Result<()> {
    let bank = Bank::open();
    let error = bank
        .engine
        .begin(|session| {
            let inner: aludel::Result<()> = session.begin(|session| {
                withdraw(session, 1, 100)?;
                Err(aludel::Error::other("half-way"))
            });
            assert_eq!(inner.expect_err("it fails").to_string(), "half-way");
            Ok(())
        })
        .expect_err("a part is unfinished");
    assert!(error.is_doomed(), "{error}");
    assert_eq!(bank.balances(), [500, 0]);

    // In a savepoint of its own it is survived.
    bank.engine.begin(|session| {
        withdraw(session, 1, 1)?;
        let inner: aludel::Result<()> = session.begin_nested(|nested| {
            nested.begin(|session| {
                withdraw(session, 1, 100)?;
                Err(aludel::Error::other("half-way"))
            })
        });
        assert!(inner.is_err());
        Ok(())
    })?;
    assert_eq!(bank.balances(), [499, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn commit_inside_a_scope_is_refused_and_loses_nothing() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.begin(|session| {
        withdraw(session, 1, 100)?;
        let error = session.commit().expect_err("the scope ends it");
        assert!(error.to_string().contains("return Ok to commit"), "{error}");
        Ok(())
    })?;
    assert_eq!(bank.balances(), [400, 0]);
    Ok(())
}

#[test]
fn savepoints_keep_and_undo_their_part() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.begin(|session| {
        withdraw(session, 1, 1)?;
        session.begin_nested(|nested| {
            withdraw(nested, 1, 10)?;
            let inner: aludel::Result<()> = nested.begin_nested(|deeper| {
                withdraw(deeper, 1, 100)?;
                Err(aludel::Error::other("no"))
            });
            assert_eq!(
                inner.expect_err("it fails").outcome(),
                Some(aludel::Outcome::RolledBackToSavepoint)
            );
            Ok(())
        })
    })?;
    assert_eq!(bank.balances(), [489, 0]);
    bank.log.expect(&[
        "begin",
        "savepoint 1",
        "savepoint 2",
        "rollback to 2",
        "release 1",
        "commit",
    ]);
    Ok(())
}

#[test]
fn a_failed_statement_leaves_the_transaction_open_on_sqlite() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.begin(|session| {
        withdraw(session, 1, 100)?;
        let twice = diesel::sql_query("INSERT INTO accounts VALUES (3, 'Ann', 0, 1)").execute(session);
        assert!(matches!(
            twice,
            Err(DieselError::DatabaseError(
                diesel::result::DatabaseErrorKind::UniqueViolation,
                _
            ))
        ));
        Ok(())
    })?;
    assert_eq!(bank.balances(), [400, 0]);
    Ok(())
}

#[test]
fn a_transaction_that_sqlite_has_thrown_away_cannot_be_committed() -> aludel::Result<()> {
    let bank = Bank::open();
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            // OR ROLLBACK ends the transaction with an ordinary unique violation.
            let _ = diesel::sql_query("INSERT OR ROLLBACK INTO accounts VALUES (3, 'Ann', 0, 1)").execute(session);
            let later = withdraw(session, 2, -7).expect_err("it would be in autocommit");
            assert!(later.is_doomed() && later.to_string().contains("UNIQUE"), "{later}");
            Ok(())
        })
        .expect_err("there is nothing left to commit");
    assert!(error.is_doomed());
    assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack));
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn raw_transaction_control_is_refused_and_names_the_way() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.begin(|session| {
        withdraw(session, 1, 100)?;
        for sql in ["COMMIT", "rollback", "/* x */ SAVEPOINT a", "SELECT 1; END"] {
            let error = session.batch_execute(sql).expect_err(sql);
            assert!(matches!(error, DieselError::DatabaseError(..)) && error.to_string().contains("begin_nested"));
        }
        assert!(diesel::sql_query("COMMIT").execute(session).is_err());
        Ok(())
    })?;
    assert_eq!(bank.balances(), [400, 0]);
    Ok(())
}

#[test]
fn diesels_transaction_obeys_our_rules() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();

    // On a session that has only read it begins its own.
    accounts::table.count().get_result::<i64>(&mut session)?;
    session.transaction::<_, DieselError, _>(|session| {
        diesel::update(accounts::table.find(1))
            .set(accounts::balance.eq(400))
            .execute(session)
    })?;
    assert!(!session.in_transaction());
    assert_eq!(bank.balances(), [400, 0]);
    bank.log.expect(&["begin", "commit", "begin", "commit"]);

    // On one that has written it adopts what is there: Err undoes its own part only …
    withdraw(&mut session, 1, 1)?;
    let error = session
        .transaction::<(), DieselError, _>(|session| {
            diesel::update(accounts::table.find(1))
                .set(accounts::balance.eq(0))
                .execute(session)?;
            Err(DieselError::RollbackTransaction)
        })
        .expect_err("it was asked to roll back");
    assert!(matches!(error, DieselError::RollbackTransaction));
    assert!(session.in_transaction());
    bank.log.expect(&["begin", "savepoint 1", "rollback to 1"]);

    // … and Ok commits all of it.
    session.transaction::<_, DieselError, _>(|session| {
        diesel::update(accounts::table.find(2))
            .set(accounts::balance.eq(1))
            .execute(session)
    })?;
    assert!(!session.in_transaction());
    assert_eq!(bank.balances(), [399, 1]);

    // Nested, it is a savepoint.
    bank.log.take();
    bank.engine.begin(|session| {
        session.transaction::<_, DieselError, _>(|session| {
            diesel::update(accounts::table.find(2))
                .set(accounts::balance.eq(2))
                .execute(session)
        })?;
        Ok(())
    })?;
    bank.log.expect(&["begin", "savepoint 1", "release 1", "commit"]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn migrations_run_on_a_session_and_stay() {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let versions = session
        .run_pending_migrations(MIGRATIONS)
        .expect("they are sound")
        .len();
    assert_eq!(versions, 2);
    drop(session);
    let rows: i64 = diesel::sql_query("INSERT INTO ledger (account, amount) VALUES (1, 1)")
        .execute(&mut bank.outside())
        .map(|count| i64::try_from(count).unwrap())
        .expect("the table is there for everybody");
    assert_eq!(rows, 1);
    let mut session = bank.engine.session();
    assert!(!session.has_pending_migration(MIGRATIONS).expect("they were recorded"));
    drop(session);
    assert!(!bank.log.take().contains(&"dropped uncommitted".to_owned()));
    bank.assert_whole();
}

#[test]
fn a_test_transaction_is_never_committed_survives_what_fails_in_it_and_ends_quietly() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    session.begin_test_transaction()?;
    session.begin(|session| withdraw(session, 1, 100))?;
    let failed: aludel::Result<()> = session.begin(|session| {
        withdraw(session, 1, 7)?;
        Err(aludel::Error::other("not enough tea"))
    });
    assert!(failed.is_err());
    session.retry(&aludel::RetryPolicy::new(), |session| withdraw(session, 1, 1))?;
    session.commit()?;
    let seen: i64 = accounts::table.find(1).select(accounts::balance).first(&mut session)?;
    assert_eq!(seen, 399);
    drop(session);
    assert_eq!(bank.balances(), [500, 0]);
    bank.log.expect(&[
        "begin",
        "savepoint 1",
        "release 1",
        "savepoint 1",
        "rollback to 1",
        "savepoint 1",
        "release 1",
        "savepoint 1", // the SELECT has begun one by itself
        "rollback",
    ]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn the_raw_connection_is_asked_about_afterwards() -> aludel::Result<()> {
    let bank = Bank::open();
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            session.with_raw(|raw| Ok(raw.batch_execute("ROLLBACK")?))?;
            let refused = withdraw(session, 2, -1).expect_err("the transaction is gone");
            assert!(refused.is_doomed());
            Ok(())
        })
        .expect_err("nothing can be committed");
    assert!(error.is_doomed(), "{error}");
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}
