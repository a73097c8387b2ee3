// A policy is a `RetryPolicy`, a function that answers one, or a type that implements `IntoRetryPolicy`.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(policy = 5)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
