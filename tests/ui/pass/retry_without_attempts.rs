// There is at least one attempt; with exactly one, nothing runs again.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(attempts = 1)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
