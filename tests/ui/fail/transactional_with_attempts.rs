// The body of a transaction runs once.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(attempts = 3)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
