// What needs no transaction runs in AUTOCOMMIT, once.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(not_supported)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
