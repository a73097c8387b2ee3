//! Tokens and their table.

use std::thread;

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::verify::{CommitToken, Resolution};
use aludel::{CommitPolicy, Dialect, ErrorKind, Flavour, Outcome, Phase, RetryPolicy};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::DatabaseErrorKind;

use super::{CHARGE, LOST, PATIENCE, Scene};
use crate::Meeting;

/// Beyond the retention nobody claims to know, whether the row is still there or was purged; younger ones stay.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_older_than_the_retention_is_expired_and_purged<C: Dialect>(scene: &Scene<C>) {
    const DAY: u128 = 24 * 3_600 * 1_000_000;
    scene.engine.create_commit_table().expect("it may be made");
    let old = scene.engine.begin(Session::commit_token).expect("it is committed");
    let young = scene.engine.begin(Session::commit_token).expect("it is committed");
    // As if it had been written a while ago.
    let aged = |days: u128| -> CommitToken {
        let now = old.created_at().as_micros();
        let text = old
            .to_string()
            .replace(&now.to_string(), &(now - days * DAY).to_string());
        text.parse().expect("only the time has changed")
    };
    let age_the_row = |days: u128| {
        let then = aged(days).created_at().as_micros();
        let update = format!(
            "UPDATE aludel_commits SET created_at = {then} WHERE token = '{}'",
            old.key()
        );
        scene.outside().batch_execute(&update).expect("it is there");
    };
    age_the_row(6);
    assert_eq!(scene.resolve(&aged(6)), Resolution::Committed);
    assert_eq!(scene.resolve(&aged(8)), Resolution::Expired);
    age_the_row(7);
    assert_eq!(
        scene.engine.purge_commit_tokens().expect("it may"),
        0,
        "an eighth of seven days is left"
    );
    age_the_row(8);
    assert_eq!(scene.engine.purge_commit_tokens().expect("it may"), 1);
    // A fence in its place would say that it was never committed.
    assert_eq!(scene.resolve(&aged(8)), Resolution::Expired);
    assert_eq!((scene.tokens("committed"), scene.tokens("fenced")), (1, 0));
    assert_eq!(scene.resolve(&young), Resolution::Committed);
    scene.assert_whole();
}

/// Elsewhere the row would be missed, and a fence be a lie: another table, or none, is an error.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_is_refused_where_its_table_is_not<C: Dialect>(scene: &Scene<C>) {
    assert_eq!(scene.engine.purge_commit_tokens().expect("there is nothing to do"), 0);
    scene.engine.create_commit_table().expect("it may be made");
    let token = scene.engine.begin(Session::commit_token).expect("it is committed");
    for (statement, told) in [
        ("DROP TABLE aludel_commits", "there is no table aludel_commits"),
        ("SELECT 1", "there is no table aludel_commits"),
    ] {
        scene.outside().batch_execute(statement).expect("it may");
        let error = scene
            .stranger()
            .resolve(&token, PATIENCE)
            .expect_err("its row is not here");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!((error.kind(), error.commit_token()), (ErrorKind::Misuse, Some(&token)));
    }
    scene.stranger().create_commit_table().expect("it may be made");
    let error = scene
        .stranger()
        .resolve(&token, PATIENCE)
        .expect_err("its row is not here");
    assert!(error.to_string().contains("is another one"), "{error}");
    assert_eq!(scene.tokens("fenced"), 0);
}

/// Many programs need the table for the first time in the same moment, and the engine that saw it go makes it anew.
///
/// # Panics
///
/// If it is not so.
pub fn a_table_is_made_once_by_many_at_once<C: Dialect>(scene: &Scene<C>) {
    let start = Meeting::new("all programs", 4);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let engine = scene.stranger();
                start.meet();
                let policy = RetryPolicy::new().attempts(20).commit(CommitPolicy::Verify);
                let charged = engine
                    .session()
                    .retry(&policy, |session| Ok(session.batch_execute(CHARGE)?));
                charged.expect("the table is made by one of them");
            });
        }
    });
    assert_eq!((scene.charged(), scene.tokens("committed")), (4, 4));
    assert_eq!(
        scene.ask("SELECT COUNT(*) AS value FROM aludel_commits WHERE token = 'identity'"),
        1
    );

    let charge = || {
        let mut session = scene.engine.session();
        let builder = session.build_transaction().verified();
        builder.run(|session| Ok(session.batch_execute(CHARGE)?))
    };
    charge().expect("the table is there");
    scene
        .outside()
        .batch_execute("DROP TABLE aludel_commits")
        .expect("it may");
    let error = charge().expect_err("its token has no table");
    assert_eq!(
        (error.outcome(), error.is_commit_unknown()),
        (Some(Outcome::RolledBack), false),
        "{error}"
    );
    charge().expect("it is made anew");
    assert_eq!((scene.charged(), scene.tokens("committed")), (6, 1));
    scene.assert_whole();
}

/// The row goes with its savepoint, and is written again: before COMMIT the token is always there.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_that_was_rolled_back_with_its_savepoint_is_written_again<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let mut given = None;
    scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let undone: aludel::Result<()> = session.begin_nested(|nested| {
                nested.begin_nested(|inner| {
                    given = Some(inner.commit_token()?);
                    Ok(())
                })?;
                Err(aludel::Error::other("no"))
            });
            assert!(undone.is_err());
            Ok(())
        })
        .expect("it is committed");
    let token = given.expect("it was given out");
    assert_eq!((scene.charged(), scene.tokens("committed")), (1, 1));
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    scene.assert_whole();
}

/// A lost answer to the COMMIT of a transaction that has only read is no doubt about anything. (MariaDB cannot tell
/// whether a SELECT has written, so it has a token there.)
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_that_has_written_nothing_has_nothing_to_verify<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    scene.lose_the_answer();
    let mut session = scene.engine.session();
    let builder = session.build_transaction().verified();
    let error = builder
        .run(|session| Ok(session.batch_execute("SELECT 1")?))
        .expect_err("its COMMIT is cut");
    if C::FLAVOUR == Flavour::MySql {
        assert_eq!(
            scene.resolve(error.commit_token().expect("it has one")),
            Resolution::Committed
        );
    } else {
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Commit, Some(Outcome::RolledBack))
        );
        assert!(error.is_retryable() && error.commit_token().is_none(), "{error}");
        assert_eq!(scene.tokens("committed"), 0);
    }
    // Who asked for read-only has no token anywhere.
    let tokens = scene.tokens("committed");
    let builder = session.build_transaction().verified().read_only();
    builder
        .run(|session| Ok(session.batch_execute("SELECT 1")?))
        .expect("nothing is in its way");
    assert_eq!(scene.tokens("committed"), tokens);
    scene.assert_whole();
}

/// `verify_commits(true)`: also what began by itself, and what others begin through Diesel.
///
/// # Panics
///
/// If it is not so.
pub fn every_transaction_of_an_engine_can_be_verified<C: Dialect>(scene: &Scene<C>) {
    let script = FaultScript::new();
    let builder = Engine::<C>::builder(scene.url.as_str())
        .verify_commits(true)
        .faults(script.clone());
    let engine = builder.build().expect("the URL is a good one");
    let mut session = engine.session();
    session.batch_execute(CHARGE).expect("the table is there");
    session.commit().expect("nothing is in its way");
    script.fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    session.batch_execute(CHARGE).expect("the table is there");
    let error = session.commit().expect_err("its answer is lost");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::Committed
    );
    script.fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    let error = engine
        .begin(|session| Ok(session.batch_execute(CHARGE)?))
        .expect_err("its COMMIT is cut");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::NotCommitted
    );
    assert_eq!(scene.charged(), 2);
}

/// Who joins a transaction and wants it verified gets that for all of it; AUTOCOMMIT has nothing to verify.
///
/// # Panics
///
/// If it is not so.
pub fn a_part_that_is_verified_verifies_the_whole<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    scene.lose_the_answer();
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let part = session.build_transaction().verified();
            part.run(|session| Ok(session.batch_execute(CHARGE)?))
        })
        .expect_err("its answer is lost");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::Committed
    );
    // The wish was for that one alone.
    scene.lose_the_answer();
    let error = scene.engine.begin(|session| Ok(session.batch_execute(CHARGE)?));
    assert!(error.expect_err("its answer is lost").commit_token().is_none());
    assert_eq!((scene.charged(), scene.tokens("committed")), (3, 1));

    let options = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    let engine = scene.engine.execution_options(options).expect("every database has it");
    let error = engine.session().commit_token().expect_err("there is no COMMIT");
    assert!(error.to_string().starts_with("commit_token() in AUTOCOMMIT"), "{error}");
    scene.assert_whole();
}

/// `begin_test_transaction` is never committed: a verified part of it needs no table, and no second connection to make one.
///
/// # Panics
///
/// If it is not so.
pub fn a_test_transaction_has_nothing_to_verify<C: Dialect>(scene: &Scene<C>) {
    let mut session = scene.engine.session();
    session.begin_test_transaction().expect("nothing is open");
    session.batch_execute(CHARGE).expect("the table is there");
    session
        .build_transaction()
        .verified()
        .run(|session| Ok(session.batch_execute(CHARGE)?))
        .expect("there is no COMMIT that could go unanswered");
    drop(session);
    assert_eq!(scene.charged(), 0);
    scene.assert_whole();
}
