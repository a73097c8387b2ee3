// A session that a closure was lent is not kept beyond it.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn escape(engine: &Engine<SqliteConnection>) -> aludel::Result<()> {
    let mut kept = None;
    engine.begin(|session| {
        kept = Some(session);
        Ok(())
    })?;
    drop(kept);
    Ok(())
}

fn main() {}
