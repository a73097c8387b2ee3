// An isolation level is one of the standard's four.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = Serialisable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
