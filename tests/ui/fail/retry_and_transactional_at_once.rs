// A function is under one macro.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
#[transactional(nested)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
