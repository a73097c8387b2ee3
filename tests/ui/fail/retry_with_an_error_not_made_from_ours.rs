// The error of a function that runs again is made from `aludel::Error`.

use aludel::prelude::*;
use diesel::SqliteConnection;

enum BankError {
    Closed,
}

#[retry]
fn work(_session: &mut Session<SqliteConnection>) -> Result<(), BankError> {
    Err(BankError::Closed)
}

fn main() {}
