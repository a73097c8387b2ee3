// A deadline has a unit.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(deadline = "10s")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
