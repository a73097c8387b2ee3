// Where no parameter is known to be the session, a `&mut` may be it.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Bank = Session<SqliteConnection>;

#[retry]
fn work(bank: &mut Bank) -> aludel::Result<()> {
    bank.flush()
}

fn main() {}
