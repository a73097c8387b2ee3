// PostgreSQL defers only what reads.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = Serializable, deferrable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
