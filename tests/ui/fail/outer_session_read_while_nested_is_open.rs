// While a nested transaction is open, the outer session is not even read.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn audit(mut session: Session<SqliteConnection>) -> aludel::Result<bool> {
    session.begin_nested(|_nested| Ok(session.in_nested_transaction()))
}

fn main() {}
