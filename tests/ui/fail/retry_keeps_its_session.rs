// A function that runs again does not keep its session for longer than the attempt.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Kept<'a> = Vec<&'a mut Session<SqliteConnection>>;

#[retry(rerun_sees(kept))]
fn work<'a>(session: &'a mut Session<SqliteConnection>, kept: &mut Kept<'a>) -> aludel::Result<()> {
    kept.push(session);
    Ok(())
}

fn main() {}
