// A policy is named or written out.

use aludel::RetryPolicy;
use aludel::prelude::*;
use diesel::SqliteConnection;

const PATIENT: RetryPolicy = RetryPolicy::new().attempts(10);

#[retry(policy = PATIENT, attempts = 3)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
