// A function does one thing about a transaction that is open.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(nested)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
