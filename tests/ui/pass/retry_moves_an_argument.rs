// A body that runs again does not consume an argument; with `clone(..)` it consumes a clone of its own.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn archive(_text: String) {}

#[retry(clone(text))]
fn work(_session: &mut Session<SqliteConnection>, text: String) -> aludel::Result<()> {
    archive(text);
    Ok(())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    work(&mut engine.session(), "hello".to_owned())
}
