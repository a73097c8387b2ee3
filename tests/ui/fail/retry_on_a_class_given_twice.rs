// A class is named once.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = (Retry, Disconnect, Retry))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
