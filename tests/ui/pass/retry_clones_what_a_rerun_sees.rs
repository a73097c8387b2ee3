// A rerun sees what the attempt before it left: `rerun_sees(..)` on a `mut` argument.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(rerun_sees(seen))]
fn work(_session: &mut Session<SqliteConnection>, mut seen: Vec<i32>) -> aludel::Result<usize> {
    seen.push(1);
    Ok(seen.len())
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert_eq!(work(&mut session, vec![0])?, 2);
    Ok(())
}
