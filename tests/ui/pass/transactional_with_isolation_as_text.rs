// The isolation level of a transaction is a word that the compiler knows.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(isolation = Serializable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
