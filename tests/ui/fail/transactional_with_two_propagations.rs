// A function does one thing about a transaction that is open.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(nested, requires_new)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
