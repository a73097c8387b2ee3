// A propagation is one of the known words.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(RequiresNew)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
