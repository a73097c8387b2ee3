// The error of a transaction is made from `aludel::Error`; `?` makes one of any standard error in a box.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(_session: &mut Session<SqliteConnection>) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
    Ok("7".parse()?)
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    assert_eq!(work(&mut Engine::new("sqlite://:memory:")?.session())?, 7);
    Ok(())
}
