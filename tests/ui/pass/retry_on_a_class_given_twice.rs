// A class is named once, and alone needs no parentheses.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = Retry)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
