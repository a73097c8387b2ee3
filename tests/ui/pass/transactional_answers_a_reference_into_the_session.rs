// What a transaction answers borrows from its other arguments at most.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work<'a>(_session: &mut Session<SqliteConnection>, log: &'a mut Vec<i32>) -> aludel::Result<&'a mut i32> {
    log.push(1);
    Ok(&mut log[0])
}

fn main() -> aludel::Result<()> {
    let mut log = Vec::new();
    *work(&mut Engine::new("sqlite://:memory:")?.session(), &mut log)? = 2;
    assert_eq!(log, [2]);
    Ok(())
}
