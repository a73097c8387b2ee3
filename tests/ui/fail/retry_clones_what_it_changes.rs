// What a body writes to the clone of a `&mut` would be lost.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(clone(seen))]
fn work(_session: &mut Session<SqliteConnection>, seen: &mut Vec<i32>) -> aludel::Result<()> {
    seen.push(1);
    Ok(())
}

fn main() {}
