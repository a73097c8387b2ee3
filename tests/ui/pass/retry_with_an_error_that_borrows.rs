// The error of a function that runs again owns what it says.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[derive(Debug, PartialEq)]
struct BankError(String);

impl From<aludel::Error> for BankError {
    fn from(error: aludel::Error) -> Self {
        Self(error.to_string())
    }
}

#[retry]
fn work(_session: &mut Session<SqliteConnection>, name: &str) -> Result<(), BankError> {
    Err(BankError(name.to_owned()))
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert_eq!(work(&mut session, "closed"), Err(BankError("closed".to_owned())));
    Ok(())
}
