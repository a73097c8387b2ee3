//! Bind values stay between the program and its database.

use std::sync::LazyLock;

use aludel_tests::sqlite::{self, TempDatabase};
use diesel::connection::SimpleConnection as _;

aludel_tests::hidden_values!(SqliteConnection);

/// `SQLite` takes texts of any length unless a CHECK says otherwise. Emptied for each test, which has a thread of its own.
fn url() -> String {
    thread_local! {
        static FILE: LazyLock<TempDatabase> = LazyLock::new(sqlite::file);
    }
    let url = FILE.with(|file| file.url().to_owned());
    let path = url.strip_prefix("sqlite://").expect("it is a file's");
    let mut connection = SqliteConnection::establish(path).expect("its folder is there");
    connection
        .batch_execute(
            "DROP TABLE IF EXISTS vault; \
             CREATE TABLE vault (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE CHECK (length(word) <= 64), \
             number BIGINT NOT NULL CHECK (number >= 0), bytes BLOB NOT NULL)",
        )
        .expect("nobody else is there");
    url
}
