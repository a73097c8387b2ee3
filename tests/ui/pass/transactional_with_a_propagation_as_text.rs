// A propagation is a word by itself; joining or beginning needs no word.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(required)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
