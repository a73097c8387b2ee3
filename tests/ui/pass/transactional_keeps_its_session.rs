// A transaction keeps values, and its caller the session.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &mut Session<SqliteConnection>, kept: &mut Vec<bool>) -> aludel::Result<()> {
    kept.push(session.in_transaction());
    Ok(())
}

fn main() -> aludel::Result<()> {
    let mut kept = Vec::new();
    work(&mut Engine::new("sqlite://:memory:")?.session(), &mut kept)?;
    assert_eq!(kept, [true]);
    Ok(())
}
