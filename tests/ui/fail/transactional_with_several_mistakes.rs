// All mistakes of one transaction are reported at once, each at its place.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(nestd, isolation = "SERIALIZABLE", backoff = "none", mandatory, supports, deferrable)]
fn work(db: &SqliteConnection) -> Option<i32> {
    None
}

fn main() {}
