// A class is one of those that the classifier knows; a deadlock is of the class `Retry`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = (Retry, Busy))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
