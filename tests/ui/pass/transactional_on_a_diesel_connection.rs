// A transaction takes a session, or no connection at all: then it runs on the ambient one.

use aludel::prelude::*;
use diesel::prelude::*;

#[transactional]
fn work(conn: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    diesel::sql_query("SELECT 1").execute(conn)?;
    Ok(())
}

#[transactional]
fn ambient() -> aludel::Result<()> {
    aludel::current(work)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    work(&mut engine.session())?;
    engine.scope(ambient)
}
