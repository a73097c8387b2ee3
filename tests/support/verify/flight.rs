//! Transactions in flight, and fences.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel::{Dialect, ErrorKind};
use diesel::connection::SimpleConnection as _;

use super::{CHARGE, PATIENCE, Scene};
use crate::{Gate, Meeting};

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
