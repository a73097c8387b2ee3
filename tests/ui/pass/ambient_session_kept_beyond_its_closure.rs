// An ambient session is borrowed again wherever it is needed.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn work() -> aludel::Result<()> {
    let open = aludel::current(|session: &mut Session<SqliteConnection>| Ok(session.in_transaction()))?;
    assert!(!open);
    aludel::current(|session: &mut Session<SqliteConnection>| session.flush())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    engine.scope(work)
}
