// The error of a transaction is made from `aludel::Error`.

use aludel::prelude::*;
use diesel::SqliteConnection;

enum BankError {
    Closed,
}

#[transactional]
fn work(_session: &mut Session<SqliteConnection>) -> Result<(), BankError> {
    Err(BankError::Closed)
}

fn main() {}
