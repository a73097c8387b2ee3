// Diesel's connections give nobody the client library's handle; the server is asked instead.

use aludel::prelude::*;
use aludel::Dialect;
use aludel::dialect::ServerTransaction;
use diesel::SqliteConnection;

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let found = engine.connect().with_raw(|raw| Ok(raw.server_transaction()?))?;
    assert_eq!(found, ServerTransaction::Open); // begun by `with_raw`
    Ok(())
}
