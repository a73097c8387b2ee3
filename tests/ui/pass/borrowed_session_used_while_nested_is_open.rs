// While a nested transaction is open, the outer session is not used; give the closure's argument the same name, and
// there is no other to use by mistake.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.begin_nested(|session| {
        diesel::sql_query("SELECT 1").execute(session)?;
        Ok(())
    })
}

fn main() -> aludel::Result<()> {
    audit(&mut Engine::new("sqlite://:memory:")?.session())
}
