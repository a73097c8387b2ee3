// A transaction borrows its session as `&mut`, and any other as it likes.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional]
fn work(session: &mut Session<SqliteConnection>, idle: &mut Session<SqliteConnection>) -> aludel::Result<(bool, bool)> {
    Ok((session.in_transaction(), idle.in_transaction()))
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    assert_eq!(work(&mut engine.session(), &mut engine.session())?, (true, false));
    Ok(())
}
