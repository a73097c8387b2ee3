// A propagation is one of the known words, in small letters.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(requires_new)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
