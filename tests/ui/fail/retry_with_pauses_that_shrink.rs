// The first pause is not longer than the longest.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(backoff = "2s..10ms")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
