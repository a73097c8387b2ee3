// The first pause is not longer than the longest.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(backoff = "10ms..2s")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
