// An isolation level is one of the standard's four; SQLite has two of them.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = ReadUncommitted)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
