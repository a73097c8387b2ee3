// A function that runs again is not async.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
async fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
