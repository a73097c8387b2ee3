// While a nested transaction is open, the outer session is not used, and neither is the `&mut` by which it came.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.begin_nested(|_nested| {
        diesel::sql_query("SELECT 1").execute(session)?;
        Ok(())
    })
}

fn main() {}
