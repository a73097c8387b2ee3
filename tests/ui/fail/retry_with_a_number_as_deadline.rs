// A deadline has a unit.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(deadline = 10)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
