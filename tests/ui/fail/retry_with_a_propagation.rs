// A function that runs again joins what is open, or begins.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(requires_new)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
