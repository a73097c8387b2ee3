// A function that runs again answers a `Result`, even if there is nothing else to answer.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry]
fn work(session: &mut Session<SqliteConnection>) {
    let _ = session.flush();
}

fn main() {}
