//! An r2d2 pool as an engine's pool, as a story for any server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aludel::pool::Adopted;
use aludel::prelude::*;
use aludel::{Dialect, Event};
use diesel::r2d2::{ConnectionManager, Pool, R2D2Connection};

use crate::EventLog;

/// Their code and ours use the same connections, each prepared once; what is invalidated here is closed there, and after a
/// restart one failed statement is enough for all of them.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn engine_and_r2d2_share_a_pool<C>(url: &str, restart: impl FnOnce())
where
    C: Dialect + R2D2Connection + 'static,
{
    const SIZE: usize = 3;
    let manager = ConnectionManager::<C>::new(url);
    let size = u32::try_from(SIZE).expect("it is small");
    // r2d2 would ping at each checkout, and find the dead before us.
    let theirs = Pool::builder()
        .max_size(size)
        .test_on_check_out(false)
        .build(manager)
        .expect("the server answers");
    let (prepared, log) = (Arc::new(AtomicU32::new(0)), EventLog::new());
    let (count, all) = (Arc::clone(&prepared), log.listener());
    let engine = Engine::<C>::builder(url)
        .pool(Adopted(theirs.clone()))
        .on_connect(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .listen(move |event| match event {
            Event::Checkout { .. } | Event::Checkin { .. } | Event::Reset { .. } => {}
            event => all(event),
        })
        .build()
        .expect("the URL is a good one");

    let backends = |count: usize| -> Vec<Option<i64>> {
        let mut held: Vec<_> = (0..count)
            .map(|_| engine.raw_connection().expect("one is idle"))
            .collect();
        held.iter_mut()
            .map(|raw| raw.backend_id().expect("it answers"))
            .collect()
    };
    let mut first = backends(SIZE);
    let mut their = theirs.get().expect("one is idle");
    assert!(
        first.contains(&their.backend_id().expect("it answers")),
        "the same connections"
    );
    drop(their);
    let mut again = backends(SIZE);
    first.sort_unstable();
    again.sort_unstable();
    assert_eq!(
        (first, prepared.load(Ordering::Relaxed)),
        (again.clone(), 3),
        "prepared once each"
    );

    let mut raw = engine.raw_connection().expect("one is idle");
    let closed = raw.backend_id().expect("it answers");
    raw.invalidate("a test wants it so");
    assert!(!backends(SIZE).contains(&closed), "r2d2 has made another");
    assert_eq!(prepared.load(Ordering::Relaxed), 4);

    restart();
    let failed = (0..2 * SIZE)
        .filter(|_| {
            let mut raw = engine.raw_connection().expect("r2d2 makes others");
            raw.batch_execute("SELECT 1").is_err()
        })
        .count();
    assert_eq!(failed, 1, "{log:?}");
    engine.pool().assert_invariants();
}
