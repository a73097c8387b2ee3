// A function that runs again says what its session is, which is a connection of Diesel's too; where the type does not say
// it, `session = name` does.

use aludel::prelude::*;
use diesel::prelude::*;

type Bank = Session<SqliteConnection>;

#[retry]
fn work(conn: &mut Session<SqliteConnection>, amount: i64) -> aludel::Result<i64> {
    diesel::sql_query("SELECT 1").execute(conn)?;
    Ok(amount)
}

#[retry(session = bank)]
fn more(bank: &mut Bank, amount: i64) -> aludel::Result<i64> {
    bank.flush()?;
    Ok(amount)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    assert_eq!(work(&mut engine.session(), 100)?, 100);
    assert_eq!(more(&mut engine.session(), 100)?, 100);
    Ok(())
}
