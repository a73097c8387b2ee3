// The isolation level of a function that runs again is not text.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = "REPEATABLE READ")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
