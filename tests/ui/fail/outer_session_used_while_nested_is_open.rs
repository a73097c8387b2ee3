// While a nested transaction is open, the outer session is not used.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(mut session: Session<SqliteConnection>) -> aludel::Result<()> {
    session.begin_nested(|_nested| {
        diesel::sql_query("SELECT 1").execute(&mut session)?;
        Ok(())
    })
}

fn main() {}
