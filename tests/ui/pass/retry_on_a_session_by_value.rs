// A function that runs again borrows its session, and gives it back.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<bool> {
    Ok(session.in_transaction())
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert!(work(&mut session)?);
    assert!(!session.in_transaction());
    Ok(())
}
