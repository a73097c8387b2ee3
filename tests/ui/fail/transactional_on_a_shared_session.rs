// A transaction borrows its session as `&mut`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &Session<SqliteConnection>) -> aludel::Result<bool> {
    Ok(session.in_transaction())
}

fn main() {}
