// What a lost answer to COMMIT means is one of the known policies.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(commit = "idempotnet")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
