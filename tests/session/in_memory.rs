//! A database in memory survives whatever ends its session, and nothing of the session stays with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aludel::prelude::*;
use diesel::SqliteConnection;
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;

#[test]
fn the_next_one_is_not_watched_by_the_instrumentation_of_a_session_that_panicked() {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:").unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&seen);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut session = engine.session();
        session.set_instrumentation(move |_: InstrumentationEvent<'_>| {
            told.fetch_add(1, Ordering::SeqCst);
        });
        diesel::sql_query("CREATE TABLE mark (a INTEGER)")
            .execute(&mut session)
            .unwrap();
        session.commit().unwrap();
        diesel::sql_query("INSERT INTO mark VALUES (1)")
            .execute(&mut session)
            .unwrap();
        panic!("in the middle of a transaction");
    }));
    assert!(panicked.is_err());
    let before = seen.load(Ordering::SeqCst);
    assert!(before > 0);
    let mut raw = engine.raw_connection().unwrap();
    let rows = diesel::sql_query("SELECT * FROM mark").execute(&mut *raw);
    assert!(rows.is_ok(), "the database is kept: {rows:?}");
    assert_eq!(
        seen.load(Ordering::SeqCst),
        before,
        "and another's statements are nobody's business"
    );
}
