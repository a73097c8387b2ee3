//! `#[transactional]`: one transaction without reruns, and what it does where another one is open already.

use aludel_core::{Error, Result};

use crate::transaction::scope::{Begun, Stand};
use crate::transaction::stage::{self, Asked, Entry, Failure, Stage};

mod policy;

pub use policy::{Propagation, TransactionPolicy};

/// The one way in and out for each of the words of [`Propagation`], whatever it runs on.
#[track_caller]
pub(crate) fn transactional<S, T, E>(
    stage: &mut S,
    policy: &TransactionPolicy,
    asked: Asked,
    function: &str,
    body: impl FnOnce(&mut S) -> Result<T, E>,
) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    let asked = policy.asked(asked, stage.flavour())?;
    let begun = stage.begun()?;
    match (policy.propagation, begun) {
        (Propagation::RequiresNew | Propagation::NotSupported, Begun::Somebody) => {
            stage.aside(|sibling| alone(sibling, policy, asked, body))?
        }
        (Propagation::Mandatory, Begun::Nobody | Begun::Test) => Err(not_begun(function).into()),
        (Propagation::Never, Begun::Somebody) => Err(begun_in_spite(function).into()),
        (Propagation::Never | Propagation::Supports | Propagation::NotSupported, Begun::Nobody) => {
            run(stage, Entry::Autocommit(asked.own), body)
        }
        (Propagation::Nested, _) => {
            let entry = match stage.stand(asked)? {
                Stand::Outermost | Stand::Guest => Entry::Root(asked),
                Stand::Joined => Entry::Nested,
            };
            run(stage, entry, body)
        }
        // Also what is to run in AUTOCOMMIT, inside of a test's transaction, where there is none: a savepoint plays its part,
        // too, so that what fails does not spoil the rest of the test.
        _ => {
            let entry = Entry::of(stage.stand(asked)?, asked);
            run(stage, entry, body)
        }
    }
}

/// On a session on which nothing is open.
#[track_caller]
fn alone<S, T, E>(
    stage: &mut S,
    policy: &TransactionPolicy,
    asked: Asked,
    body: impl FnOnce(&mut S) -> Result<T, E>,
) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    let entry = match policy.propagation {
        Propagation::NotSupported => Entry::Autocommit(asked.own),
        _ => Entry::of(stage.stand(asked)?, asked),
    };
    run(stage, entry, body)
}

fn run<S, T, E>(stage: &mut S, entry: Entry, body: impl FnOnce(&mut S) -> Result<T, E>) -> Result<T, E>
where
    S: Stage,
    E: From<Error> + 'static,
{
    stage::within(stage, entry, body).map_err(|failure: Failure<E>| {
        if failure.commit_unknown {
            stage.give_up_hooks();
        }
        failure.into_error()
    })
}

fn not_begun(function: &str) -> Error {
    Error::misuse(format!(
        "{function} is mandatory: it runs only inside a transaction that its caller has begun, and none is open; call it \
         inside begin, #[retry] or #[transactional]"
    ))
}

fn begun_in_spite(function: &str) -> Error {
    Error::misuse(format!(
        "{function} never runs inside a transaction, and one is open; call it before that one begins, or after its end"
    ))
}
