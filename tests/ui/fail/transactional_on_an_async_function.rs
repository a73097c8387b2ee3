// A transaction is not async.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
async fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
