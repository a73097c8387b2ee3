// A function that is lent a session does not choose an ambient one.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(engine = "reports")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
