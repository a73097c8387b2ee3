// PostgreSQL defers only what reads, and is serializable; other databases refuse it when it begins.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(isolation = Serializable, read_only, deferrable)]
fn work<C: Dialect>(session: &mut Session<C>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    let refused = work(&mut Engine::<SqliteConnection>::new("sqlite://:memory:")?.session());
    assert!(
        refused
            .expect_err("SQLite defers nothing")
            .to_string()
            .contains("DEFERRABLE")
    );
    Ok(())
}
