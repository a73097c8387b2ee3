// The isolation level of a transaction is not text.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(isolation = "read-committed")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
