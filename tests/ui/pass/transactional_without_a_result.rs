// A transaction answers a `Result`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<bool> {
    Ok(session.in_transaction())
}

fn main() -> aludel::Result<()> {
    assert!(work(&mut Engine::new("sqlite://:memory:")?.session())?);
    Ok(())
}
