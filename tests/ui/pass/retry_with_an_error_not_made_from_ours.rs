// The error of a function that runs again is made from `aludel::Error`; it may wrap it or forget it.

use aludel::prelude::*;
use diesel::SqliteConnection;

enum BankError {
    Closed,
    Database(aludel::Error),
}

impl From<aludel::Error> for BankError {
    fn from(error: aludel::Error) -> Self {
        Self::Database(error)
    }
}

#[retry]
fn work(_session: &mut Session<SqliteConnection>) -> Result<(), BankError> {
    Err(BankError::Closed)
}

fn main() -> aludel::Result<()> {
    match work(&mut Engine::new("sqlite://:memory:")?.session()) {
        Ok(()) => unreachable!("it is closed"),
        Err(BankError::Closed) => Ok(()),
        Err(BankError::Database(error)) => Err(error),
    }
}
