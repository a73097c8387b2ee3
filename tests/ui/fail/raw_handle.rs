// Diesel's connections give nobody the client library's handle, so what that knows of a transaction cannot be read off it.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    engine.connect().with_raw(|raw| Ok(raw.with_raw_connection(|_handle| ())))
}
