// `#[retry(..)]` takes each key once.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(deadline = "10s", attempts = 5)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
