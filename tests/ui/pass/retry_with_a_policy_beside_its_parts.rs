// A policy is named: a constant, a function, or any expression.

use std::time::Duration;

use aludel::RetryPolicy;
use aludel::prelude::*;
use diesel::SqliteConnection;

const PATIENT: RetryPolicy = RetryPolicy::new().attempts(10);

fn by_the_hour() -> RetryPolicy {
    PATIENT.deadline(Duration::from_hours(1))
}

#[retry(policy = PATIENT.attempts(3))]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

#[retry(policy = by_the_hour)]
fn more(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    work(&mut session)?;
    more(&mut session)
}
