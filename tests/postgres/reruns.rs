//! When a transaction runs again, by what goes by on the wire.

use aludel::Phase;
use aludel::prelude::*;
use aludel_tests::rerun_stories;
use aludel_tests::reruns::{Damage, Ground};
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;

rerun_stories!(PgConnection);
rerun_stories! {
    PgConnection:
    a_deadlock_of_two,
    a_connection_that_is_killed,
    a_crowd_is_charged_once_each,
}

/// What a read-only transaction may do all the same is done by COMMIT.
#[test]
fn a_read_only_transaction_that_has_notified_somebody_leaves_a_doubt() {
    let ground = Ground::<PgConnection>::open("notified");
    let scene = ground.scene();
    scene.strike(Phase::Commit, Damage::CutAfter);
    let mut session = scene.engine.session();
    let transaction = session.build_transaction().read_only();
    let notified = transaction.run(|session| Ok(session.batch_execute("NOTIFY tea")?));
    let error = notified.expect_err("nobody knows whether it was sent");
    assert!(error.is_commit_unknown(), "{error}");
}
