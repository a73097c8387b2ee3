// The session of a function that runs again has a name, by which it is handed on.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(_: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    Ok(())
}

fn main() {}
