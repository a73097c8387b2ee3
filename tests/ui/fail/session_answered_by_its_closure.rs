// A session that a closure was lent is not what the closure answers.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn escape(engine: &Engine<SqliteConnection>) -> aludel::Result<()> {
    let _session = engine.begin(|session| Ok(session))?;
    Ok(())
}

fn main() {}
