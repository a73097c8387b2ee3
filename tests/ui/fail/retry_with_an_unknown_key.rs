// `#[retry(..)]` knows its keys.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(atempts = 3)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
