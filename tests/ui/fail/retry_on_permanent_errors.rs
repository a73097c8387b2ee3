// A permanent error is never run again.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = (Retry, Permanent))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
