// A deadline is a number and a unit that is known, or several of them.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(deadline = "1m 30s")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
