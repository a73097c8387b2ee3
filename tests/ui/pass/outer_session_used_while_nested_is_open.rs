// While a nested transaction is open, the outer session is not used; the closure's own argument is.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(mut session: Session<SqliteConnection>) -> aludel::Result<()> {
    session.begin_nested(|nested| {
        diesel::sql_query("SELECT 1").execute(nested)?;
        Ok(())
    })
}

fn main() -> aludel::Result<()> {
    audit(Engine::new("sqlite://:memory:")?.session())
}
