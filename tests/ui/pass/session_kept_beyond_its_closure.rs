// A session that a closure was lent is not kept beyond it; a session to keep is `engine.session()`.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn keep(engine: &Engine<SqliteConnection>) -> Session<SqliteConnection> {
    engine.session()
}

fn main() -> aludel::Result<()> {
    keep(&Engine::new("sqlite://:memory:")?).begin(|session| {
        assert!(session.in_transaction());
        Ok(())
    })
}
