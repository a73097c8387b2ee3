// A deadline is a number and a unit that is known.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(deadline = "10 parsecs")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
