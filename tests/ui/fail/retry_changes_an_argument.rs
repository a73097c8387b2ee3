// A body that runs again does not change what belongs to its caller.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(_session: &mut Session<SqliteConnection>, seen: &mut Vec<i32>) -> aludel::Result<()> {
    seen.push(1);
    Ok(())
}

fn main() {}
