// Pauses grow from the first to the longest.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(backoff = "10ms")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
