// A transaction does not keep its session.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Kept<'a> = Vec<&'a mut Session<SqliteConnection>>;

#[transactional]
fn work<'a>(session: &'a mut Session<SqliteConnection>, kept: &mut Kept<'a>) -> aludel::Result<()> {
    kept.push(session);
    Ok(())
}

fn main() {}
