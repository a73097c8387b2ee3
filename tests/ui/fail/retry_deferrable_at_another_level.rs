// PostgreSQL defers only what is serializable.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = RepeatableRead, read_only, deferrable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
