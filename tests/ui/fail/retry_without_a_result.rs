// A function that runs again answers a `Result`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(session: &mut Session<SqliteConnection>) -> bool {
    session.in_transaction()
}

fn main() {}
