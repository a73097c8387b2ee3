// A transaction says what its session is; a connection of Diesel's is none.

use aludel::prelude::*;
use diesel::prelude::*;

#[transactional]
fn work(conn: &mut SqliteConnection) -> aludel::Result<()> {
    diesel::sql_query("SELECT 1").execute(conn)?;
    Ok(())
}

fn main() {}
