// A body that runs once has its arguments to itself.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(clone(seen))]
fn work(_session: &mut Session<SqliteConnection>, seen: Vec<i32>) -> aludel::Result<Vec<i32>> {
    Ok(seen)
}

fn main() {}
