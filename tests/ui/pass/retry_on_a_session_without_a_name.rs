// The session of a function that runs again has a name, if only one with an underscore.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(_session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    Ok(())
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
