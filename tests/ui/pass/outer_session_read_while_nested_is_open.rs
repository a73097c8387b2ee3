// While a nested transaction is open, the outer session is not even read; the closure's own argument answers.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn audit(mut session: Session<SqliteConnection>) -> aludel::Result<bool> {
    session.begin_nested(|nested| Ok(nested.in_nested_transaction()))
}

fn main() -> aludel::Result<()> {
    assert!(audit(Engine::new("sqlite://:memory:")?.session())?);
    Ok(())
}
