//! What has become of a transfer whose COMMIT was never answered.

use std::time::{Duration, Instant};

use aludel::prelude::*;
use aludel::verify::{self, CommitToken};
use aludel::{Error, Flavour, Result};

use super::books::{Books, DONE, FENCED, Order};
use super::transfer::is_duplicate;

/// The pause before another try; shorter would be a busy loop while the server is away.
const PAUSE: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is done.
    Committed,
    /// It is not, and never will be.
    NotCommitted,
    /// The same; and a line of the ledger in its place says so.
    Fenced,
}

/// Finds out: from its token, where the transaction was verified; else with a fence of our own.
pub(super) fn resolve<C>(
    office: &Engine<C>,
    order: &Order,
    token: Option<&CommitToken>,
    deadline: Duration,
) -> Result<Resolution>
where
    C: Dialect<Backend: Books>,
{
    let Some(token) = token else {
        return without_token(office, order, deadline);
    };
    match office.resolve(token, deadline)? {
        verify::Resolution::Committed => Ok(Resolution::Committed),
        verify::Resolution::NotCommitted => Ok(Resolution::NotCommitted),
        other @ verify::Resolution::Expired => Err(Error::other(format!(
            "{token} is a minute old, and its resolver says {other:?}"
        ))),
    }
}

/// Goes on however often the server is lost meanwhile.
///
/// A look at the ledger alone would race with a COMMIT that is still on its way. So the line itself is written, saying that
/// the transfer is fenced off: that waits for the COMMIT, and then either succeeds, or is refused for what is there.
fn without_token<C>(office: &Engine<C>, order: &Order, deadline: Duration) -> Result<Resolution>
where
    C: Dialect<Backend: Books>,
{
    let started = Instant::now();
    loop {
        match fence_off(office, order) {
            Err(error) if (error.is_commit_unknown() || error.is_retryable()) && started.elapsed() < deadline => {
                office.clock().sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn fence_off<C>(office: &Engine<C>, order: &Order) -> Result<Resolution>
where
    C: Dialect<Backend: Books>,
{
    let mut session = office.session();
    let mut transaction = session.build_transaction();
    if C::FLAVOUR != Flavour::Sqlite {
        // Under REPEATABLE READ, PostgreSQL may answer a conflict in place of the truth.
        transaction = transaction.read_committed();
    }
    let fenced = transaction.run(|session| Ok(C::Backend::write(session, &order.fence())?));
    match fenced {
        Ok(_) => Ok(Resolution::Fenced),
        Err(error) if is_duplicate(&error) => read(office, order),
        Err(error) => Err(error),
    }
}

/// In a transaction of its own, which sees what has refused the fence.
fn read<C>(office: &Engine<C>, order: &Order) -> Result<Resolution>
where
    C: Dialect<Backend: Books>,
{
    let state = office.begin(|session| Ok(C::Backend::state(session, order.id)?))?;
    match state.as_deref() {
        Some(DONE) => Ok(Resolution::Committed),
        Some(FENCED) => Ok(Resolution::Fenced),
        other => Err(Error::other(format!(
            "the line of order {} refused a second one, and says {other:?}",
            order.id
        ))),
    }
}
