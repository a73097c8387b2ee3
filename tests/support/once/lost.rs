//! A COMMIT whose answer never comes: calling again with the same key tells the truth.

use std::sync::atomic::{AtomicU32, Ordering};

use aludel::prelude::*;
use aludel::{CommitPolicy, Dialect, Flavour, Outcome, RetryPolicy};

use super::{charge, kept};
use crate::proxy::{Fault, Proxy, Trigger};
use crate::verify::Scene;

#[track_caller]
fn is_cut_and_called_again<C: Dialect>(scene: &Scene<C>, order: u32, runs_in_all: u32) {
    let runs = AtomicU32::new(0);
    let error = charge(&mut scene.engine.session(), order, &runs).expect_err("its COMMIT is cut");
    assert!(
        error.is_commit_unknown() && error.outcome() == Some(Outcome::Unknown),
        "{error}"
    );
    let answered = charge(&mut scene.engine.session(), order, &runs).expect("it is found out");
    assert_eq!((answered, runs.load(Ordering::Relaxed)), (runs_in_all, runs_in_all));
    let again = charge(&mut scene.stranger().session(), order, &runs).expect("it was done");
    assert_eq!(again, answered);
    assert_eq!(scene.charged(), i64::from(order), "each order is charged once");
}

/// It was committed: the second call is answered.
///
/// # Panics
///
/// If it is not so.
pub fn a_lost_answer_to_commit_is_found_out_by_calling_again<C: Dialect>(scene: &Scene<C>) {
    scene.lose_the_answer();
    is_cut_and_called_again(scene, 1, 1);
    scene.assert_whole();
}

/// It was not: the second call runs.
///
/// # Panics
///
/// If it is not so.
pub fn a_lost_commit_is_found_out_by_calling_again<C: Dialect>(scene: &Scene<C>) {
    scene.lose_the_commit();
    is_cut_and_called_again(scene, 1, 2);
    scene.assert_whole();
}

/// However the network cuts a COMMIT, calling again charges each order once.
///
/// # Panics
///
/// If it is not so.
pub fn a_network_that_cuts_commits_is_called_again<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    scene.engine.create_result_table().expect("it may be made");
    let cases = [
        (Fault::CutBefore, 2),
        (Fault::CutAfter, 1),
        (Fault::ResetBefore, 2),
        (Fault::ResetAfter, 1),
    ];
    for (order, (fault, runs)) in (1..).zip(cases) {
        proxy.when(Trigger::Commit).then(fault);
        is_cut_and_called_again(scene, order, runs);
        assert_eq!(proxy.fired(), u64::from(order));
    }
    scene.assert_whole();
}

/// `#[retry(commit = "idempotent", once = ..)]` runs again by itself after an unknown COMMIT, and the key keeps that from
/// charging twice.
///
/// # Panics
///
/// If it is not so.
pub fn a_key_makes_a_rerun_after_an_unknown_commit_harmless<C: Dialect>(scene: &Scene<C>) {
    in_one_call(scene, CommitPolicy::Idempotent);
}

/// `#[retry(commit = "verify", once = ..)]` finds out by itself, and the key answers whoever comes later.
///
/// # Panics
///
/// If it is not so.
pub fn a_verified_commit_is_once_within_a_call_and_over_calls<C: Dialect>(scene: &Scene<C>) {
    in_one_call(scene, CommitPolicy::Verify);
    // What only answers has written nothing, which MariaDB cannot tell.
    let tokens = if C::FLAVOUR == Flavour::MySql { 4 } else { 2 };
    assert_eq!(scene.tokens("committed"), tokens);
}

fn in_one_call<C: Dialect>(scene: &Scene<C>, commit: CommitPolicy) {
    #[retry(once = order, policy = RetryPolicy::new().commit(commit))]
    fn charge<C: Dialect>(
        session: &mut Session<C>,
        order: i64,
        commit: CommitPolicy,
        runs: &AtomicU32,
    ) -> aludel::Result<u32> {
        diesel::connection::SimpleConnection::batch_execute(session, super::CHARGE)?;
        Ok(runs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    for (order, lose, expected) in [
        (1, Scene::lose_the_answer as fn(&Scene<C>), 1),
        (2, Scene::lose_the_commit, 2),
    ] {
        let runs = AtomicU32::new(0);
        lose(scene);
        for _ in 0..2 {
            let run = charge(&mut scene.engine.session(), order, commit, &runs).expect("it is found out");
            assert_eq!((run, runs.load(Ordering::Relaxed)), (expected, expected));
        }
        assert_eq!((scene.charged(), kept(scene)), (order, order));
    }
    scene.assert_whole();
}
