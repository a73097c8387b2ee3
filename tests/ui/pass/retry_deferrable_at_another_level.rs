// PostgreSQL defers only what is serializable, be it because its engine is.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(read_only, deferrable)]
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
