// What runs again is a transaction, and in AUTOCOMMIT there is none.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = Autocommit)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
