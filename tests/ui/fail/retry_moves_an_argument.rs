// A body that runs again does not consume an argument.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn archive(_text: String) {}

#[retry]
fn work(_session: &mut Session<SqliteConnection>, text: String) -> aludel::Result<()> {
    archive(text);
    Ok(())
}

fn main() {}
