//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use aludel_tests::reconnecting::servers::a_select_that_writes_is_refused_by_the_server as refused;
use aludel_tests::stage::Stage;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;

aludel_tests::reconnecting_stories!(diesel::SqliteConnection);

/// The one function of SQLite's that writes in a SELECT.
#[test]
fn a_select_that_writes_is_refused_by_the_database() {
    let stage = Stage::<SqliteConnection>::open("writing");
    stage
        .outside()
        .batch_execute("CREATE VIRTUAL TABLE notes USING fts3(text); INSERT INTO notes VALUES ('one'); INSERT INTO notes VALUES ('two')")
        .expect("SQLite comes with it");
    refused(&stage, &["(SELECT length(optimize(notes)) FROM notes LIMIT 1)"]);
}
