// A body that runs again does not change what belongs to its caller, unless `rerun_sees(..)` says that it may.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(rerun_sees(seen))]
fn work(_session: &mut Session<SqliteConnection>, seen: &mut Vec<i32>) -> aludel::Result<()> {
    seen.push(1);
    Ok(())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    let mut seen = Vec::new();
    work(&mut engine.session(), &mut seen)?;
    assert_eq!(seen, [1]);
    Ok(())
}
