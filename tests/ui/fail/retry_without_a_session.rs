// A function that runs again has a session to run on.

use aludel::prelude::*;

#[retry]
fn work(amount: i64) -> aludel::Result<i64> {
    Ok(amount)
}

fn main() {}
