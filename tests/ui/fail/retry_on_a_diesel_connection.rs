// A function that runs again says what its session is; a connection of Diesel's is none.

use aludel::prelude::*;
use diesel::prelude::*;

#[retry]
fn work(conn: &mut SqliteConnection, amount: i64) -> aludel::Result<i64> {
    diesel::sql_query("SELECT 1").execute(conn)?;
    Ok(amount)
}

fn main() {}
