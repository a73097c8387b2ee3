// `read_only` and `deferrable` stand alone.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(read_only = true)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
