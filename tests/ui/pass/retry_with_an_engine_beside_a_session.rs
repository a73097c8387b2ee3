// A function that chooses an ambient session takes none.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(engine = "reports")]
fn work() -> aludel::Result<()> {
    aludel::current(|session: &mut Session<SqliteConnection>| session.flush())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .logging_name("reports")
        .build()?;
    engine.scope(work)
}
