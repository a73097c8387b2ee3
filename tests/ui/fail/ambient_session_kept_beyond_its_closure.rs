// An ambient session that a closure was lent is not kept beyond it.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn work() -> aludel::Result<()> {
    let mut kept = None;
    aludel::current(|session: &mut Session<SqliteConnection>| {
        kept = Some(session);
        Ok(())
    })?;
    drop(kept);
    Ok(())
}

fn main() {}
