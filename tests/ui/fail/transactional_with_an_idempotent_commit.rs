// Nothing is run again, so no promise about that is of use.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(commit = "idempotent")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
