// There is at least one attempt.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(attempts = 0)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
