// What a lost answer to COMMIT means can be found out.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(commit = "verify", deadline = "10s")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
