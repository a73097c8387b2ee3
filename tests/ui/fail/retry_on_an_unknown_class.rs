// A class is one of those that the classifier knows.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(on = (Retri, Deadlock))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
