// A body that runs again does not consume an argument.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[derive(Clone)]
struct Letter;

fn send(_letter: Letter) {}

#[retry]
fn work(_session: &mut Session<SqliteConnection>, letter: Letter) -> aludel::Result<()> {
    send(letter);
    Ok(())
}

fn main() {}
