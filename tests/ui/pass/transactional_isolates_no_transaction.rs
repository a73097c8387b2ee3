// Where no transaction is begun, none is open; a transaction of some level is begun.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(never)]
fn idle(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    assert!(!session.in_nested_transaction());
    Ok(())
}

#[transactional(isolation = Serializable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    idle(&mut session)?;
    work(&mut session)
}
