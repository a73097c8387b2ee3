// A function that runs again has a session to run on; `session = name` tells which where the type does not.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Bank = Session<SqliteConnection>;

#[retry(session = bank)]
fn work(bank: &mut Bank, amount: i64) -> aludel::Result<i64> {
    bank.flush()?;
    Ok(amount)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    assert_eq!(work(&mut engine.session(), 100)?, 100);
    Ok(())
}
