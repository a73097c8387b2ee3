//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use aludel::Phase;
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel_tests::capture::Capture;
use aludel_tests::reconnecting::Reading as _;
use aludel_tests::reconnecting::servers::{a_select_that_writes_is_refused_by_the_server as refused, stage_with};
use aludel_tests::stage::Stage;
use diesel::SqliteConnection;
use diesel::result::DatabaseErrorKind::{ClosedConnection, Unknown};
use tracing::Level;

aludel_tests::reconnecting_stories!(diesel::SqliteConnection);

/// SQLite's one function that writes in a SELECT.
#[test]
fn a_select_that_writes_is_refused_by_the_database() {
    let notes = "CREATE VIRTUAL TABLE notes USING fts3(text); \
                 INSERT INTO notes VALUES ('one'); INSERT INTO notes VALUES ('two')";
    refused(
        &stage_with::<SqliteConnection>("writing", notes),
        &["(SELECT length(optimize(notes)) FROM notes LIMIT 1)"],
    );
}

#[test]
fn each_repetition_is_a_warning_with_its_cause_and_so_is_giving_up() -> aludel::Result<()> {
    let stage = Stage::<SqliteConnection>::open_with("told", |builder| builder.clock(Clock::test().0));
    let lose = |times: u32| {
        for number in 1..=times {
            stage
                .script
                .fail_before(Phase::Statement, ClosedConnection, format!("lost {number}"));
        }
    };
    let capture = Capture::new(Level::INFO);
    lose(2);
    capture.during(|| SqliteConnection::owners(&stage.engine.reconnecting()))?;
    assert_eq!(
        capture.lines("aludel.engine"),
        [
            "WARN disconnection error, retrying operation (1 of 5, in 2.000 s): lost 1",
            "WARN disconnection error, retrying operation (2 of 5, in 2.000 s): lost 2",
        ]
    );
    let end = capture.lines("aludel.session").pop();
    assert_eq!(
        end.as_deref(),
        Some(
            "INFO a reader's statement has succeeded, tried 3 times in 4.0s (4.0s of it asleep); what had failed: disconnect: lost 1; \
             disconnect: lost 2"
        )
    );
    lose(1);
    let failed = capture.during(|| SqliteConnection::owners(&stage.engine.reconnecting().num_retries(0)));
    assert!(failed.expect_err("nothing is repeated").is_disconnect());
    assert_eq!(capture.lines("aludel.engine"), Vec::<String>::new());
    let end = capture.lines("aludel.session").pop();
    assert_eq!(
        end.as_deref(),
        Some(
            "WARN a reader's statement has failed, tried 1 time in 0.0ns, and given up; what had failed: disconnect: lost 1"
        )
    );
    Ok(())
}

/// What the user's hook says of an error is what counts.
#[test]
fn a_hook_decides_what_is_repeated() -> aludel::Result<()> {
    let stage = Stage::<SqliteConnection>::open_with("hook", |builder| {
        builder.clock(Clock::test().0).handle_error(|context| {
            if context.message().contains("our proxy hung up") {
                context.set_class(Class::Disconnect);
            } else if context.message().contains("the licence is over") {
                context.set_class(Class::Permanent);
            }
        })
    });
    let reader = stage.engine.reconnecting();
    stage.script.fail_before(Phase::Statement, Unknown, "our proxy hung up");
    assert_eq!(SqliteConnection::owners(&reader)?, ["Ann", "Bob"]);
    stage
        .script
        .fail_before(Phase::Statement, ClosedConnection, "the licence is over");
    let error = SqliteConnection::owners(&reader).unwrap_err();
    assert_eq!((error.is_disconnect(), error.attempts()), (false, Some(1)), "{error:?}");
    let log = stage.log.take();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("reconnecting")).count(),
        1,
        "{log:?}"
    );
    stage.assert_whole();
    Ok(())
}
