//! Waiting for something that only a server can tell. Between threads of a test, use [`crate::gate`] instead.

use std::thread;
use std::time::{Duration, Instant};

/// The pause between two looks. Shorter costs the server more than it saves the test.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until there is an answer, and gives it.
///
/// # Panics
///
/// If there is none within `deadline`; the message says what was waited for.
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        thread::sleep(PAUSE);
    }
}
