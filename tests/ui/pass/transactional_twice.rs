// A function is one transaction.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(read_only)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
