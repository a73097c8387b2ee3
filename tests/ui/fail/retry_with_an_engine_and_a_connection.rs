// An ambient session is chosen by its engine's name or by the type of its connection.

use aludel::prelude::*;

#[retry(engine = "reports", connection = diesel::SqliteConnection)]
fn work() -> aludel::Result<()> {
    Ok(())
}

fn main() {}
