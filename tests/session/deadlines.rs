//! What this database is told of a retry's deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aludel::RetryPolicy;
use aludel::clock::Clock;
use aludel::prelude::*;
use diesel::SqliteConnection;

aludel_tests::deadline_stories!(diesel::SqliteConnection);

/// A panic on the way to BEGIN leaves nothing that the session's next transaction would take for its own.
#[test]
fn a_deadline_ends_with_its_call_however_that_ends() {
    let (clock, _time) = Clock::test();
    let mut times = 0;
    let panics_once = std::sync::Mutex::new(move || {
        times += 1;
        assert_ne!(times, 1, "the roof is on fire");
    });
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .clock(clock)
        .on_connect(move |_, _| {
            panics_once.lock().unwrap_or_else(std::sync::PoisonError::into_inner)();
            Ok(())
        })
        .build()
        .expect("the options are sound");
    let mut session = engine.session();
    let policy = RetryPolicy::new().deadline(Duration::from_secs(1));
    let unwound = catch_unwind(AssertUnwindSafe(|| session.retry(&policy, |_| Ok(()))));
    assert!(unwound.is_err());
    let limit = session.begin(|session| session.with_raw(|raw| Ok(raw.statement_limit()?)));
    assert_eq!(
        limit.expect("the second connection is made"),
        Some(Duration::from_secs(5))
    );
}
