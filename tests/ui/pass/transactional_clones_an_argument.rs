// A body that runs once has its arguments to itself: it moves them, and changes what they borrow.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct Letter;

#[transactional]
fn work(
    _session: &mut Session<SqliteConnection>,
    letter: Letter,
    mut seen: Vec<i32>,
    log: &mut Vec<i32>,
) -> aludel::Result<(Letter, Vec<i32>)> {
    log.append(&mut seen);
    Ok((letter, seen))
}

fn main() -> aludel::Result<()> {
    let mut log = Vec::new();
    let mut session = Engine::new("sqlite://:memory:")?.session();
    let (Letter, seen) = work(&mut session, Letter, vec![1, 2], &mut log)?;
    assert_eq!((seen, log), (vec![], vec![1, 2]));
    Ok(())
}
