// A function that runs again borrows its session: the first attempt would take it away.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(session: Session<SqliteConnection>) -> aludel::Result<bool> {
    Ok(session.in_transaction())
}

fn main() {}
