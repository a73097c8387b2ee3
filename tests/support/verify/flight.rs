//! Transactions in flight, and fences.

use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel::{CancelToken, CommitPolicy, Dialect, ErrorKind, Flavour, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;

use super::{CHARGE, PATIENCE, Scene};
use crate::{Gate, Meeting, poll};

/// Two resolvers, and a transaction that holds its row until both are there.
#[track_caller]
fn in_flight<C: Dialect>(scene: &Scene<C>, commits: bool) {
    scene.engine.create_commit_table().expect("it may be made");
    let resolvers = Meeting::new("both resolvers and the transaction", 3);
    let given = Gate::new("the token is given out");
    let token = OnceLock::new();
    let expected = if commits {
        Resolution::Committed
    } else {
        Resolution::NotCommitted
    };
    thread::scope(|threads| {
        let resolver = || {
            given.wait();
            let engine = scene.stranger();
            let token = token.get().expect("it was given out");
            // Nothing can be said yet, and that is what is said.
            let error = engine.resolve(token, Duration::ZERO).expect_err("it is in flight");
            assert_eq!(
                (error.kind(), error.commit_token()),
                (ErrorKind::CommitUnknown, Some(token))
            );
            resolvers.meet();
            assert_eq!(engine.resolve(token, PATIENCE).expect("it ends"), expected);
        };
        threads.spawn(resolver);
        threads.spawn(resolver);
        let ended = scene.engine.begin(|session| {
            session.batch_execute(CHARGE)?;
            token.set(session.commit_token()?).expect("nobody else sets it");
            given.pass();
            resolvers.meet();
            if commits {
                Ok(())
            } else {
                Err(aludel::Error::other("no"))
            }
        });
        assert_eq!(ended.is_ok(), commits, "{ended:?}");
    });
    assert_eq!(scene.charged(), i64::from(commits));
    scene.assert_whole();
}

/// Both resolvers wait, and both are told.
///
/// # Panics
///
/// If it is not so.
pub fn a_resolver_waits_for_a_transaction_in_flight_that_commits<C: Dialect>(scene: &Scene<C>) {
    in_flight(scene, true);
    assert_eq!(scene.tokens("fenced"), 0);
}

/// The same for one that rolls back: of the two resolvers one fences it off.
///
/// # Panics
///
/// If it is not so.
pub fn a_resolver_waits_for_a_transaction_in_flight_that_rolls_back<C: Dialect>(scene: &Scene<C>) {
    in_flight(scene, false);
    assert_eq!(scene.tokens("committed"), 0);
}

/// The deadline holds, and the error says what is the matter.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_still_in_flight_at_the_deadline_is_an_error<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let token = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let token = session.commit_token()?;
            assert_eq!(session.commit_token()?, token, "it has only one");
            let error = scene
                .stranger()
                .resolve(&token, Duration::from_millis(1_300))
                .expect_err("it is in flight");
            assert!(
                error.is_commit_unknown() && error.commit_token() == Some(&token),
                "{error}"
            );
            let text = error.to_string();
            assert!(
                text.contains("still in flight") && text.contains("within 1.3s"),
                "{text}"
            );
            Ok(token)
        })
        .expect("the resolver was in nobody's way");
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    scene.assert_whole();
}

/// The fence is a COMMIT, too: lost after or before, the resolver looks again.
///
/// # Panics
///
/// If it is not so.
pub fn a_fence_whose_answer_is_lost_is_resolved_like_any_commit<C: Dialect>(scene: &Scene<C>) {
    for lose in [Scene::lose_the_answer, Scene::lose_the_commit] {
        scene.lose_the_commit();
        let token = scene.charge_and_be_cut();
        lose(scene);
        let resolution = scene.engine.resolve(&token, PATIENCE).expect("the second look tells");
        assert_eq!(resolution, Resolution::NotCommitted);
        assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    }
    assert_eq!(scene.charged(), 0);
}

/// Somebody has the whole table of tokens, as a change of its definition or a backup does: the deadline holds.
///
/// # Panics
///
/// If it is not so.
pub fn a_table_that_is_locked_is_waited_for_until_the_deadline<C: Dialect>(scene: &Scene<C>) {
    scene.lose_the_answer();
    let token = scene.charge_and_be_cut();
    let (lock, unlock) = match C::FLAVOUR {
        Flavour::MySql => ("LOCK TABLES aludel_commits WRITE", "UNLOCK TABLES"),
        Flavour::PostgreSql => ("BEGIN; LOCK TABLE aludel_commits", "ROLLBACK"),
        _ => ("BEGIN EXCLUSIVE", "ROLLBACK"),
    };
    let mut somebody = scene.outside();
    somebody.batch_execute(lock).expect("nobody else has it");
    let (answer, answered) = mpsc::channel();
    let found = thread::scope(|threads| {
        threads.spawn(move || answer.send(scene.stranger().resolve(&token, Duration::from_millis(300))));
        let found = answered.recv_timeout(PATIENCE / 2);
        somebody.batch_execute(unlock).expect("it has it");
        found
    });
    let error = found
        .expect("the deadline is long over")
        .expect_err("it could not look");
    assert!(
        error.is_commit_unknown() && error.commit_token() == Some(&token),
        "{error}"
    );
    drop(somebody);
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    scene.assert_whole();
}

/// A session with a token of its own goes on when the engine is told to stop: so does whoever finds out for it.
///
/// # Panics
///
/// If it is not so.
pub fn whoever_finds_out_for_a_session_obeys_its_token<C: Dialect>(scene: &Scene<C>) {
    let policy = RetryPolicy::new().deadline(PATIENCE).commit(CommitPolicy::Verify);
    scene.engine.cancel_token().cancel("shutting down");
    let mut session = scene.engine.session();
    session.set_cancel_token(CancelToken::new());
    scene.lose_the_answer();
    session
        .retry(&policy, |session| Ok(session.batch_execute(CHARGE)?))
        .expect("it may find out");
    // And one that is stopped while it finds out hears of both.
    let token = CancelToken::new();
    session.set_cancel_token(token.clone());
    scene.lose_the_answer();
    let error = session
        .retry(&policy, |session| {
            let token = token.clone();
            scene.script.call_before(Phase::Begin, move || token.cancel("enough"));
            Ok(session.batch_execute(CHARGE)?)
        })
        .expect_err("it was stopped");
    assert!(
        error.is_commit_unknown() && error.to_string().contains("; then: exit: enough"),
        "{error}"
    );
    let resolution = scene.resolve(error.commit_token().expect("it goes with the error"));
    assert_eq!((resolution, scene.charged()), (Resolution::Committed, 2));
    scene.assert_whole();
}

/// The purge has taken the row while a resolver was waiting to write it: what is then written in its place would be a lie.
///
/// # Panics
///
/// If it is not so.
pub fn a_purge_that_overtakes_a_resolver_leaves_nothing_to_claim<C: Dialect>(scene: &Scene<C>) {
    const RETENTION: Duration = Duration::from_secs(2);
    scene.engine.create_commit_table().expect("it may be made");
    let token = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            session.commit_token()
        })
        .expect("it is committed");
    let builder = Engine::<C>::builder(scene.url.as_str()).commit_token_retention(RETENTION);
    let resolver = builder.build().expect("the URL is a good one");
    let key = token.key();
    let mut purge = scene.outside();
    let insert =
        format!("BEGIN; INSERT INTO aludel_commits (token, outcome, created_at) VALUES ('{key}', 'committed', 0)");
    for statements in [format!("DELETE FROM aludel_commits WHERE token = '{key}'"), insert] {
        purge.batch_execute(&statements).expect("nobody else has it");
    }
    let found = thread::scope(|threads| {
        let resolver = threads.spawn(move || resolver.resolve(&token, PATIENCE));
        // By then it has looked at the clock, has found no row, and waits for whoever is writing one.
        poll::until("the token is too old", PATIENCE, || {
            let now = purge.server_clock().expect("the server is there");
            let now = Duration::from_micros(u64::try_from(now).expect("it is after 1970"));
            (now > token.created_at() + RETENTION).then_some(())
        });
        purge.batch_execute("ROLLBACK").expect("it is open");
        resolver.join().expect("it does not panic")
    });
    assert_eq!(found.expect("the server is there"), Resolution::Expired);
    assert_eq!((scene.charged(), scene.tokens("fenced")), (1, 0));
}
