// A session is for a connection of Diesel's, whatever pool its engine takes it from.

use aludel::pool::Adopted;
use aludel::prelude::*;
use diesel::SqliteConnection;
use diesel::r2d2::ConnectionManager;

fn work(session: &mut Session<SqliteConnection>) -> bool {
    session.in_transaction()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = r2d2::Pool::new(ConnectionManager::<SqliteConnection>::new(":memory:"))?;
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .pool(Adopted(pool))
        .build()?;
    assert!(!work(&mut engine.session()));
    Ok(())
}
