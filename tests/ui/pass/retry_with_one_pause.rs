// Pauses grow from the first to the longest; those that are always the same have both alike.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(backoff = "10ms..10ms")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

#[retry(backoff = "none")]
fn at_once(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    work(session)
}

fn main() -> aludel::Result<()> {
    at_once(&mut Engine::new("sqlite://:memory:")?.session())
}
