// A rerun sees a fresh clone or what the attempt before it left, and not both.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(clone(seen), rerun_sees(seen))]
fn work(_session: &mut Session<SqliteConnection>, mut seen: Vec<i32>) -> aludel::Result<usize> {
    seen.push(1);
    Ok(seen.len())
}

fn main() {}
