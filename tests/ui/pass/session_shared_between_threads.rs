// A session is not shared between threads; the engine is, and each thread takes a session of its own.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn watch(engine: &Engine<SqliteConnection>) {
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(!engine.session().in_transaction()));
    });
}

fn main() -> aludel::Result<()> {
    watch(&Engine::new("sqlite://:memory:")?);
    Ok(())
}
