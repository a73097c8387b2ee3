// An ambient session is chosen by its engine's name or by the type of its connection: the innermost one of that type.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(connection = SqliteConnection)]
fn work() -> aludel::Result<()> {
    aludel::current(|session: &mut Session<SqliteConnection>| session.flush())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    engine.scope(work)
}
