// The error of a function that runs again owns what it says.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct BankError<'a>(&'a str);

impl From<aludel::Error> for BankError<'_> {
    fn from(_error: aludel::Error) -> Self {
        Self("the database")
    }
}

#[retry]
fn work<'a>(_session: &mut Session<SqliteConnection>, name: &'a str) -> Result<(), BankError<'a>> {
    Err(BankError(name))
}

fn main() {}
