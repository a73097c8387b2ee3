// A function that runs again borrows its session as `&mut`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<bool> {
    Ok(session.in_transaction())
}

fn main() -> aludel::Result<()> {
    assert!(work(&mut Engine::new("sqlite://:memory:")?.session())?);
    Ok(())
}
