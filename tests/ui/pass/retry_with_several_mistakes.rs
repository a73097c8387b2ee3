// All mistakes of one function are reported at once, each at its place, and each with its fix.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(attempts = 5, deadline = "10s", clone(text), rerun_sees(seen))]
fn work(session: &mut Session<SqliteConnection>, text: String, seen: &mut Vec<String>) -> aludel::Result<()> {
    seen.push(text);
    session.flush()
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    work(&mut engine.session(), "hello".to_owned(), &mut Vec::new())
}
