// A session whose type has a name of its own is named by `session = ..`.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Bank = Session<SqliteConnection>;

#[retry(session = bank)]
fn work(bank: &mut Bank) -> aludel::Result<()> {
    bank.flush()
}

fn main() -> aludel::Result<()> {
    work(&mut Engine::new("sqlite://:memory:")?.session())
}
