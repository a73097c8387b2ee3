//! `once = ..` on functions.

use std::sync::atomic::{AtomicU32, Ordering};

use aludel::Dialect;
use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;

use super::{CHARGE, kept};
use crate::verify::Scene;

/// A text of its own error type, as an ambient function has it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Alone it is a transaction; inside of one it is a part, and `nested` undoes its key with itself.
///
/// # Panics
///
/// If it is not so.
pub fn a_transactional_function_is_done_once<C: Dialect>(scene: &Scene<C>) {
    #[transactional(nested, once = key)]
    fn pay<C: Dialect>(session: &mut Session<C>, key: &str, fails: bool) -> Outcome<Option<String>> {
        session.batch_execute(CHARGE)?;
        if fails {
            Err("no".into())
        } else {
            Ok(Some("paid".to_owned()))
        }
    }

    scene.engine.create_result_table().expect("it may be made");
    let mut session = scene.engine.session();
    for _ in 0..2 {
        pay(&mut session, "a", true).expect_err("it said so");
    }
    for fails in [false, true] {
        // The second one is not run.
        let paid = pay(&mut session, "a", fails).expect("it is done");
        assert_eq!(paid.as_deref(), Some("paid"));
    }
    let both = scene.engine.begin_with(|session| {
        pay(session, "b", true).expect_err("it said so");
        pay(session, "b", false)?;
        pay(session, "a", true)
    });
    assert_eq!(both.expect("the transaction goes on").as_deref(), Some("paid"));
    assert_eq!((scene.charged(), kept(scene)), (2, 2));
    scene.assert_whole();
}

/// What has no session parameter runs on the ambient one.
///
/// # Panics
///
/// If it is not so.
pub fn ambient_functions_are_done_once<C: Dialect>(scene: &Scene<C>) {
    fn write<C: Dialect>() -> aludel::Result<()> {
        aludel::current(|session: &mut Session<C>| Ok(session.batch_execute(CHARGE)?))
    }

    #[retry(once = format_args!("retry-{order}"))]
    fn again<C: Dialect>(order: u32, runs: &AtomicU32) -> aludel::Result<u32> {
        write::<C>()?;
        Ok(runs.fetch_add(1, Ordering::Relaxed))
    }

    #[transactional(once = order, requires_new)]
    fn plain<C: Dialect>(order: u32, runs: &AtomicU32) -> aludel::Result<u32> {
        write::<C>()?;
        Ok(runs.fetch_add(1, Ordering::Relaxed))
    }

    let runs = AtomicU32::new(0);
    scene.engine.scope(|| {
        for _ in 0..2 {
            assert_eq!(again::<C>(1, &runs).expect("nothing is in its way"), 0);
            assert_eq!(plain::<C>(1, &runs).expect("nothing is in its way"), 1);
            assert_eq!(again::<C>(2, &runs).expect("nothing is in its way"), 2);
            runs.store(9, Ordering::Relaxed);
        }
    });
    assert_eq!((scene.charged(), kept(scene)), (3, 3));
    scene.assert_whole();
}

/// Not in each attempt; and what it is made of is the body's own.
///
/// # Panics
///
/// If it is not so.
pub fn a_key_is_made_once_a_call_and_may_be_moved_by_the_body<C: Dialect>(scene: &Scene<C>) {
    #[retry(once = counted(made, &key), clone(key))]
    fn again<C: Dialect>(session: &mut Session<C>, mut key: String, made: &AtomicU32) -> aludel::Result<String> {
        session.batch_execute(CHARGE)?;
        key.push('!');
        Ok(key)
    }

    #[transactional(once = key)]
    fn plain<C: Dialect>(session: &mut Session<C>, key: String) -> aludel::Result<String> {
        session.batch_execute(CHARGE)?;
        Ok(key)
    }

    fn counted(made: &AtomicU32, key: &str) -> String {
        made.fetch_add(1, Ordering::Relaxed);
        format!("again-{key}")
    }

    let made = AtomicU32::new(0);
    let mut session = scene.engine.session();
    scene.script.fail_before(
        aludel::Phase::Statement,
        diesel::result::DatabaseErrorKind::ClosedConnection,
        "gone",
    );
    for calls in 1..=2 {
        let value = again(&mut session, "a".to_owned(), &made).expect("the second attempt is through");
        assert_eq!((value.as_str(), made.load(Ordering::Relaxed)), ("a!", calls));
        assert_eq!(plain(&mut session, "a".to_owned()).expect("nothing is in its way"), "a");
    }
    assert_eq!((scene.charged(), kept(scene)), (2, 2));
    scene.assert_whole();
}
