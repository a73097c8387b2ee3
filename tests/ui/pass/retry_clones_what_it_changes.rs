// A body changes a clone of its own, and answers it.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(clone(seen))]
fn work(_session: &mut Session<SqliteConnection>, mut seen: Vec<i32>) -> aludel::Result<Vec<i32>> {
    seen.push(1);
    Ok(seen)
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert_eq!(work(&mut session, vec![0])?, [0, 1]);
    Ok(())
}
