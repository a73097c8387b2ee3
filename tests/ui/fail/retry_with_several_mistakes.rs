// All mistakes of one function are reported at once, each at its place.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(attempts = 0, deadlin = "10s", clone(txt))]
async fn work(session: &mut Session<SqliteConnection>, text: String, seen: &mut Vec<String>) -> Option<()> {
    seen.push(text);
    session.flush().ok()
}

fn main() {}
