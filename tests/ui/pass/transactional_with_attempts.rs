// The body of a transaction runs once; one that runs again is under `#[retry]`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(attempts = 3)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
