//! The functions that random programs are made of, each with a session and on the ambient one.

use aludel::prelude::*;

use super::databases::Grounds;
use super::swallowed::Trouble;

/// A body that can run again.
type Run<'r, C> = &'r dyn Fn(&mut Session<C>) -> Result<(), Trouble>;

/// One that reaches the ambient session by itself.
type Alone<'r> = &'r dyn Fn() -> Result<(), Trouble>;

#[transactional]
pub(super) fn transactional<C: Grounds>(session: &mut Session<C>, run: Run<'_, C>) -> Result<(), Trouble> {
    run(session)
}

#[transactional(nested)]
pub(super) fn part<C: Grounds>(session: &mut Session<C>, run: Run<'_, C>) -> Result<(), Trouble> {
    run(session)
}

#[retry(attempts = 20)]
pub(super) fn known<C: Grounds>(session: &mut Session<C>, run: Run<'_, C>) -> Result<(), Trouble> {
    run(session)
}

#[retry(attempts = 20, commit = "verify")]
pub(super) fn verified<C: Grounds>(session: &mut Session<C>, run: Run<'_, C>) -> Result<(), Trouble> {
    run(session)
}

#[retry(attempts = 20, commit = "idempotent")]
pub(super) fn promised<C: Grounds>(session: &mut Session<C>, run: Run<'_, C>) -> Result<(), Trouble> {
    run(session)
}

#[transactional]
pub(super) fn ambient_transactional(run: Alone<'_>) -> Result<(), Trouble> {
    run()
}

#[transactional(nested)]
pub(super) fn ambient_part(run: Alone<'_>) -> Result<(), Trouble> {
    run()
}

#[retry(attempts = 20)]
pub(super) fn ambient_known(run: Alone<'_>) -> Result<(), Trouble> {
    run()
}

#[retry(attempts = 20, commit = "verify")]
pub(super) fn ambient_verified(run: Alone<'_>) -> Result<(), Trouble> {
    run()
}

#[retry(attempts = 20, commit = "idempotent")]
pub(super) fn ambient_promised(run: Alone<'_>) -> Result<(), Trouble> {
    run()
}
