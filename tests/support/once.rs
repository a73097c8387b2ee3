//! What is done once for a key, however often it is asked for: stories told on each database.
//! [`once_stories!`](crate::once_stories) makes tests of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::once::{OnceKey, ResultTable};
use aludel::prelude::*;
use aludel::{Dialect, ErrorKind, Outcome};
use diesel::connection::SimpleConnection as _;

use crate::verify::Scene;

mod at_once;
mod lost;
mod macros;

pub use at_once::*;
pub use lost::*;
pub use macros::*;

const CHARGE: &str = "INSERT INTO charges VALUES (1)";

/// Charges an order, and answers the number of the run.
///
/// # Errors
///
/// Those of the database.
#[retry(once = format!("order-{order}"), deadline = "60s")]
pub fn charge<C: Dialect>(session: &mut Session<C>, order: u32, runs: &AtomicU32) -> aludel::Result<u32> {
    session.batch_execute(CHARGE)?;
    Ok(runs.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Tests of all stories on the scenes that `scene(name)` sets.
#[macro_export]
macro_rules! once_stories {
    ($scene:path: $($story:ident),+ $(,)?) => {
        $(
            #[test]
            fn $story() {
                $crate::once::$story(&$scene(stringify!($story)));
            }
        )+
    };
    ($scene:path) => {
        $crate::once_stories! {
            $scene:
            a_call_that_comes_again_is_answered_the_first_result,
            an_error_leaves_no_key_behind,
            a_part_of_a_transaction_vanishes_with_it,
            a_savepoint_that_is_rolled_back_takes_key_and_result_along,
            a_key_of_another_function_is_refused,
            a_result_that_cannot_be_read_is_refused_and_runs_nothing,
            a_key_without_a_result_is_refused,
            a_key_that_the_body_has_removed_is_an_error,
            keys_are_compared_byte_by_byte,
            a_table_made_by_migration_serves,
            old_results_are_purged_and_their_keys_are_free_again,
            a_second_call_waits_for_the_first_and_is_answered_its_result,
            a_second_call_waits_for_the_first_and_runs_where_it_was_rolled_back,
            many_at_once_with_one_key_charge_once_and_make_one_table,
            a_lost_answer_to_commit_is_found_out_by_calling_again,
            a_lost_commit_is_found_out_by_calling_again,
            a_key_makes_a_rerun_after_an_unknown_commit_harmless,
            a_verified_commit_is_once_within_a_call_and_over_calls,
            a_transactional_function_is_done_once,
            ambient_functions_are_done_once,
            a_key_is_made_once_a_call_and_may_be_moved_by_the_body,
        }
    };
}

fn kept<C: Dialect>(scene: &Scene<C>) -> i64 {
    scene.ask("SELECT COUNT(*) AS value FROM aludel_results")
}

fn by_hand<C: Dialect>(scene: &Scene<C>, sql: &str) {
    let mut raw = scene.stranger().raw_connection().expect("the database is there");
    raw.batch_execute(sql).expect("it is a good statement");
}

/// By the same session, another one, and another program; no hook of a call that was answered runs.
///
/// # Panics
///
/// If it is not so.
pub fn a_call_that_comes_again_is_answered_the_first_result<C: Dialect>(scene: &Scene<C>) {
    let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let mut session = scene.engine.session();
    let once = |session: &mut Session<C>| {
        session.once("greet", |session| {
            session.batch_execute(CHARGE)?;
            runs.fetch_add(1, Ordering::Relaxed);
            let told = Arc::clone(&told);
            session.on_commit(move || {
                told.fetch_add(1, Ordering::Relaxed);
            });
            Ok(("ä\0'\\".to_owned(), Some(7_i64)))
        })
    };
    let first = once(&mut session).expect("it is new");
    assert_eq!(once(&mut session).expect("it was done"), first);
    assert_eq!(once(&mut scene.engine.session()).expect("it was done"), first);
    assert_eq!(once(&mut scene.stranger().session()).expect("it was done"), first);
    assert!(!session.in_transaction());
    assert_eq!((runs.load(Ordering::Relaxed), told.load(Ordering::Relaxed)), (1, 1));

    let (orders, mut session) = (AtomicU32::new(0), scene.stranger().session());
    for order in [1, 2, 1, 2] {
        assert_eq!(
            charge(&mut session, order, &orders).expect("nothing is in its way"),
            order
        );
    }
    assert_eq!((scene.charged(), kept(scene)), (3, 3));
    scene.assert_whole();
}

/// The next call runs.
///
/// # Panics
///
/// If it is not so.
pub fn an_error_leaves_no_key_behind<C: Dialect>(scene: &Scene<C>) {
    let mut session = scene.engine.session();
    let refused = session.once("order-1", |session| {
        session.batch_execute(CHARGE)?;
        Err::<(), _>(aludel::Error::other("out of stock"))
    });
    let error = refused.expect_err("it said so");
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Other, Some(Outcome::RolledBack))
    );
    assert_eq!((scene.charged(), kept(scene)), (0, 0));
    session
        .once("order-1", |session| Ok(session.batch_execute(CHARGE)?))
        .expect("the key is free");
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// It joins what was begun explicitly; what began by itself and has written is the caller's to end.
///
/// # Panics
///
/// If it is not so.
pub fn a_part_of_a_transaction_vanishes_with_it<C: Dialect>(scene: &Scene<C>) {
    let charge = |session: &mut Session<C>| session.once("order-1", |session| Ok(session.batch_execute(CHARGE)?));
    scene.engine.create_result_table().expect("it may be made");
    let refused = scene.engine.begin(|session| {
        charge(session)?;
        charge(session)?; // it was done in this very transaction
        Err::<(), _>(aludel::Error::other("no"))
    });
    refused.expect_err("it said so");
    assert_eq!((scene.charged(), kept(scene)), (0, 0));

    let mut session = scene.engine.session();
    session.batch_execute(CHARGE).expect("the table is there");
    assert!(
        charge(&mut session)
            .expect_err("it is not its to end")
            .is_transaction_already_open()
    );
    session.commit().expect("nothing is in its way");

    scene.engine.begin(charge).expect("the key is free");
    assert_eq!((scene.charged(), kept(scene)), (2, 1));
    scene.assert_whole();
}

/// And the transaction goes on, in which the key is free again.
///
/// # Panics
///
/// If it is not so.
pub fn a_savepoint_that_is_rolled_back_takes_key_and_result_along<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_result_table().expect("it may be made");
    let run = scene.engine.begin(|session| {
        let undone = session.begin_nested(|nested| {
            nested.once("order-1", |session| Ok(session.batch_execute(CHARGE)?))?;
            Err::<(), _>(aludel::Error::other("no"))
        });
        undone.expect_err("it said so");
        session.once("order-1", |session| {
            session.batch_execute(CHARGE)?;
            Ok("second".to_owned())
        })
    });
    assert_eq!(run.expect("the key was free"), "second");
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// Nobody is answered a stranger's result, and nothing is run. Neither key nor result is told.
///
/// # Panics
///
/// If it is not so.
pub fn a_key_of_another_function_is_refused<C: Dialect>(scene: &Scene<C>) {
    let mut session = scene.engine.session();
    charge(&mut session, 1, &AtomicU32::new(0)).expect("it is new");
    let strangers: [OnceKey; 2] = [OnceKey::new("order-1").scope("refund"), OnceKey::new("order-1")];
    for (key, name) in strangers.into_iter().zip(["refund", "once"]) {
        let refused = session.once(key, |session| {
            session.batch_execute(CHARGE)?;
            Ok(2_u32)
        });
        let error = refused.expect_err("it is another one's");
        let text = error.to_string();
        assert!(error.is_once_key() && !error.is_retryable(), "{text}");
        assert!(
            text.contains(&format!("of `{name}` was used before, by `charge`")),
            "{text}"
        );
        assert!(!text.contains("order-1"), "{text}");
        assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    }
    // A function that was renamed says its old name.
    let renamed = OnceKey::new("order-1").scope("charge");
    assert_eq!(session.once(renamed, |_| Ok(2_u32)).expect("it was done"), 1);
    assert_eq!((scene.charged(), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// The program has changed since.
///
/// # Panics
///
/// If it is not so.
pub fn a_result_that_cannot_be_read_is_refused_and_runs_nothing<C: Dialect>(scene: &Scene<C>) {
    let mut session = scene.engine.session();
    session
        .once("order-1", |_| Ok("confidential".to_owned()))
        .expect("it is new");
    let error = session
        .once("order-1", |session| {
            session.batch_execute(CHARGE)?;
            Ok(7_i64)
        })
        .expect_err("a text is no number");
    let text = error.to_string();
    assert!(error.is_once_key() && text.contains("cannot be read as i64"), "{text}");
    assert!(!text.contains("confidential"), "{text}");
    let read = session.once("order-1", |_| Ok(String::new())).expect("it was done");
    assert_eq!((read.as_str(), scene.charged()), ("confidential", 0));
    scene.assert_whole();
}

/// As DDL in the middle of a transaction leaves it on `MariaDB`; or it is the caller of itself.
///
/// # Panics
///
/// If it is not so.
pub fn a_key_without_a_result_is_refused<C: Dialect>(scene: &Scene<C>) {
    let mut session = scene.engine.session();
    let error = session
        .once("order-1", |session| {
            session.once("order-1", |session| Ok(session.batch_execute(CHARGE)?))
        })
        .expect_err("it calls itself");
    assert!(
        error.is_once_key() && error.to_string().contains("called itself"),
        "{error}"
    );
    assert_eq!(kept(scene), 0);

    by_hand(
        scene,
        "INSERT INTO aludel_results (once_key, scope, created_at) VALUES ('order-1', 'once', 0)",
    );
    let error = session
        .once("order-1", |session| Ok(session.batch_execute(CHARGE)?))
        .expect_err("nobody knows what was done");
    assert!(
        error.is_once_key() && error.to_string().contains("without a result"),
        "{error}"
    );
    assert_eq!(scene.charged(), 0);
    scene.assert_whole();
}

/// Without its key nobody would ever find the result.
///
/// # Panics
///
/// If it is not so.
pub fn a_key_that_the_body_has_removed_is_an_error<C: Dialect>(scene: &Scene<C>) {
    let removed = scene.engine.session().once("order-1", |session| {
        session.batch_execute(CHARGE)?;
        Ok(session.batch_execute("DELETE FROM aludel_results")?)
    });
    let error = removed.expect_err("its key is gone");
    assert!(
        error.is_once_key() && error.to_string().contains("is not there any more"),
        "{error}"
    );
    assert_eq!((scene.charged(), kept(scene)), (0, 0));
    scene.assert_whole();
}

/// Case, accents and blanks at the end make other keys; a key that is too long is refused before anything is sent.
///
/// # Panics
///
/// If it is not so.
pub fn keys_are_compared_byte_by_byte<C: Dialect>(scene: &Scene<C>) {
    let longest = "ß".repeat(127);
    let keys = [
        "a", "A", "a ", " a", "a\t", "ä", "Ä", "a\u{308}", "o'; --", "\\", &longest,
    ];
    let mut session = scene.engine.session();
    for round in 0..2 {
        for key in keys {
            let value = session.once(key, |session| {
                session.batch_execute(CHARGE)?;
                Ok(key.to_owned())
            });
            assert_eq!(value.expect("nothing is in its way"), key, "round {round}");
        }
    }
    let all = i64::try_from(keys.len()).expect("they are few");
    assert_eq!((scene.charged(), kept(scene)), (all, all));

    scene.log.clear();
    for key in [String::new(), "a\0".to_owned(), format!("{longest}aa")] {
        let error = session.once(key, |_| Ok(())).expect_err("no database could have it");
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
    assert_eq!(scene.log.snapshot(), [""; 0]);
    scene.assert_whole();
}

/// Its statements can be run twice.
///
/// # Panics
///
/// If it is not so.
pub fn a_table_made_by_migration_serves<C: Dialect>(scene: &Scene<C>) {
    for _ in 0..2 {
        by_hand(scene, ResultTable::sql(C::FLAVOUR));
    }
    scene.engine.create_result_table().expect("it is there");
    let run = charge(&mut scene.engine.session(), 1, &AtomicU32::new(0));
    assert_eq!((run.expect("it is new"), kept(scene)), (1, 1));
    scene.assert_whole();
}

/// By the server's clock.
///
/// # Panics
///
/// If it is not so.
pub fn old_results_are_purged_and_their_keys_are_free_again<C: Dialect>(scene: &Scene<C>) {
    const DAY: Duration = Duration::from_hours(24);
    assert_eq!(scene.engine.purge_results(DAY).expect("there is no table yet"), 0);
    let runs = AtomicU32::new(0);
    let mut session = scene.engine.session();
    for order in [1, 2] {
        charge(&mut session, order, &runs).expect("it is new");
    }
    assert_eq!(scene.engine.purge_results(DAY).expect("it may"), 0);
    by_hand(
        scene,
        &format!(
            "UPDATE aludel_results SET created_at = created_at - {} WHERE once_key = 'order-1'",
            (DAY + Duration::from_secs(1)).as_micros()
        ),
    );
    assert_eq!(scene.engine.purge_results(2 * DAY).expect("it may"), 0);
    assert_eq!(scene.engine.purge_results(DAY).expect("it may"), 1);
    assert_eq!(charge(&mut session, 2, &runs).expect("it is kept"), 2);
    assert_eq!(charge(&mut session, 1, &runs).expect("its key is free"), 3);
    scene.assert_whole();
}
