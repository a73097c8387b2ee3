// A function is under one macro; beside others that are not ours.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[inline]
#[retry]
#[must_use]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
