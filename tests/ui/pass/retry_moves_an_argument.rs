// A body that runs again does not consume an argument; with `clone(..)` it consumes a clone of its own.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[derive(Clone)]
struct Letter;

fn send(_letter: Letter) {}

#[retry(clone(letter))]
fn work(_session: &mut Session<SqliteConnection>, letter: Letter) -> aludel::Result<()> {
    send(letter);
    Ok(())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    work(&mut engine.session(), Letter)
}
