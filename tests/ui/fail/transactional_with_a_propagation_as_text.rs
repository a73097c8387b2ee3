// A propagation is a word by itself.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(propagation = "REQUIRES_NEW")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
