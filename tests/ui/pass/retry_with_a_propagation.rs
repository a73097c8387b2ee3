// What begins in spite of an open transaction is `#[transactional]`, and runs once.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(nested)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
