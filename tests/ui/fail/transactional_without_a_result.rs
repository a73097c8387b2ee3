// A transaction answers a `Result`: its COMMIT can fail.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &mut Session<SqliteConnection>) -> bool {
    session.in_transaction()
}

fn main() {}
