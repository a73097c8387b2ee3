// What is run again: each class but the permanent one, which is the default.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = (Disconnect, Retry, Failover, Busy))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
