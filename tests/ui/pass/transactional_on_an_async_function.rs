// A transaction is not async; async code calls it on a thread that may block.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
