//! What can be done to connections of a server, and other servers.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use aludel::prelude::*;
use aludel::verify::{CommitToken, Resolution};
use aludel::{CommitPolicy, Dialect, Outcome, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;

use super::{CHARGE, PATIENCE, Scene, charge};

/// Ends a connection by the server's number of it.
pub type Kill = fn(i64);

/// The connection is really killed before COMMIT is sent, and the charge takes effect once.
///
/// # Panics
///
/// If it is not so.
pub fn a_charge_whose_connection_is_killed_at_commit_takes_effect_once<C: Dialect>(scene: &Scene<C>, kill: Kill) {
    let policy = RetryPolicy::new().deadline(PATIENCE).commit(CommitPolicy::Verify);
    let mut runs = 0;
    let run = scene
        .engine
        .session()
        .retry(&policy, |session| {
            runs += 1;
            if runs == 1 {
                let backend = session.backend_id()?.expect("a server's connection has a number");
                scene.script.call_before(Phase::Commit, move || kill(backend));
            }
            session.batch_execute(CHARGE)?;
            Ok(runs)
        })
        .expect("the second run is committed");
    assert_eq!((run, scene.charged(), scene.tokens("committed")), (2, 1, 1));
    scene.assert_whole();
}

/// A transaction that nobody will ever end is ended by force: its connection, and no other.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_in_flight_is_ended_by_force<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let mut bystander = scene.engine.session();
    bystander.batch_execute(CHARGE).expect("it is nobody's business");
    let mut token = None;
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let given = *token.insert(session.commit_token()?);
            let found = scene.stranger().resolve_by_force(&given, PATIENCE);
            assert_eq!(found.expect("it is ended"), Resolution::NotCommitted);
            Ok(())
        })
        .expect_err("its connection was ended");
    let token = token.expect("it was given out");
    assert!(error.is_disconnect(), "{error}");
    assert_eq!(
        error.commit_token(),
        Some(&token),
        "COMMIT was sent, as far as it knows: {error}"
    );
    assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    bystander.commit().expect("nobody has touched it");
    assert_eq!((scene.charged(), scene.tokens("committed")), (1, 0));
    // By the time that it is asked for by force it may have been committed.
    let token = scene.engine.begin(Session::commit_token).expect("it is committed");
    let resolution = scene.stranger().resolve_by_force(&token, PATIENCE);
    assert_eq!(resolution.expect("the database is there"), Resolution::Committed);
    scene.assert_whole();
}

/// A token that went with its savepoint is resolved before it is written again: what was answered stays true.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_that_was_fenced_off_is_refused<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    let mut runs = 0;
    let error = scene
        .engine
        .session()
        .retry(&policy, |session| {
            runs += 1;
            session.batch_execute(CHARGE)?;
            let mut token = None;
            let undone: aludel::Result<()> = session.begin_nested(|nested| {
                token = Some(nested.commit_token()?);
                Err(aludel::Error::other("no"))
            });
            assert!(undone.is_err());
            assert_eq!(
                scene.resolve(&token.expect("it was given out")),
                Resolution::NotCommitted
            );
            Ok(())
        })
        .expect_err("somebody was told that it is not committed");
    assert!(
        error
            .to_string()
            .starts_with("this transaction cannot be committed any more"),
        "{error}"
    );
    assert_eq!(
        (error.outcome(), runs),
        (Some(Outcome::RolledBack), 1),
        "they may have run it again"
    );
    assert_eq!(
        (scene.charged(), scene.tokens("committed"), scene.tokens("fenced")),
        (0, 0, 1)
    );
    scene.assert_whole();
}

/// The resolver asks another node than the one that the transaction ran on. One in flight is no match for it: nodes agree
/// on what comes first, and the fence does.
///
/// # Panics
///
/// If it is not so.
pub fn another_node_finds_out<C: Dialect>(scene: &Scene<C>, elsewhere: &Engine<C>) {
    let ask = |token: &CommitToken| elsewhere.resolve(token, PATIENCE).expect("the other node is there");
    scene.engine.create_commit_table().expect("it may be made");
    scene.lose_the_answer();
    let token = scene.charge_and_be_cut();
    // The table that was made just now is there when that node has caught up; until then it says so.
    let found = crate::poll::until("the other node has the table", PATIENCE, || {
        elsewhere.resolve(&token, PATIENCE).ok()
    });
    assert_eq!(found, Resolution::Committed);
    scene.lose_the_commit();
    assert_eq!(ask(&scene.charge_and_be_cut()), Resolution::NotCommitted);

    let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let mut fenced = None;
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let token = session.commit_token()?;
            fenced = Some((token, ask(&token)));
            Ok(())
        })
        .expect_err("the fence was first");
    let (token, found) = fenced.expect("it was asked");
    assert_eq!(found, Resolution::NotCommitted);
    assert!(!error.is_commit_unknown() && error.is_retryable(), "{error}");
    assert_eq!(ask(&token), Resolution::NotCommitted);
    let run = charge(&mut scene.engine.session(), &runs, &told).expect("nothing is in its way");
    assert_eq!((run, scene.charged()), (1, 2));
    scene.assert_whole();
}
