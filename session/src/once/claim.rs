//! Writing a key and its result.

use aludel_core::once::{Kept, ResultTable};
use aludel_core::{Dialect, Error, ErrorKind, Phase, Result};

use super::OnceKey;
use crate::connection::{Connection, no_text};
use crate::own_table::OwnTable as _;
use crate::transaction::Footing;

/// Between a key that is refused and its row that is not there somebody has removed it; more often than this it is not a
/// coincidence any more.
const ROUNDS: u32 = 5;

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This transaction has written it.
    Ours,
    /// A transaction before had, and this is its result.
    Kept(String),
}

impl<C: Dialect> Connection<C> {
    /// Writes the key, once whoever is using the same one has come to an end; answers what is kept under one that is there.
    pub(crate) fn claim_key(&mut self, key: &OnceKey) -> Result<Claim> {
        self.ready()?;
        if self.transaction.footing() == Footing::Autocommit {
            return Err(Error::misuse(
                "something is to be done once for a key in AUTOCOMMIT, where the key would stay without what is done; begin \
                 a transaction",
            ));
        }
        self.table_inside::<ResultTable>()?;
        for _ in 0..ROUNDS {
            let text = || Some("INSERT INTO aludel_results".to_owned());
            let claimed = self.call(Phase::Statement, text, |raw| {
                raw.claim_key(key.text(), key.scope_or_none())
            });
            if claimed.map_err(|error| self.no_result_table(error))? {
                self.transaction.wrote(|| "an idempotency key".to_owned());
                return Ok(Claim::Ours);
            }
            let kept = self.call(Phase::Statement, no_text, |raw| raw.kept_result(key.text()));
            if let Some(kept) = kept.map_err(|error| self.no_result_table(error))? {
                return answer(key, kept).map(Claim::Kept);
            }
        }
        Err(Error::misuse(format!(
            "the idempotency key of `{}` is in {} and cannot be read there: does a policy of the server's hide its row?",
            key.scope_or_none(),
            ResultTable::NAME
        )))
    }

    /// Writes the result beside its key.
    pub(crate) fn keep_result(&mut self, key: &OnceKey, result: &str) -> Result<()> {
        self.ready()?;
        let text = || Some("UPDATE aludel_results".to_owned());
        let kept = self.call(Phase::Statement, text, |raw| raw.keep_result(key.text(), result));
        if kept.map_err(|error| self.no_result_table(error))? {
            return Ok(());
        }
        Err(Error::object(
            ErrorKind::OnceKey,
            format!(
                "the idempotency key of `{}` was there when its function began, and is not there any more: the function has \
                 undone or removed it",
                key.scope_or_none()
            ),
        ))
    }

    /// Should the table be gone, the next transaction looks for it.
    fn no_result_table(&self, error: diesel::result::Error) -> Error {
        ResultTable::remember(self.engine(), None);
        self.explain(error)
    }
}

fn answer(key: &OnceKey, Kept { scope, result }: Kept) -> Result<String> {
    let ours = key.scope_or_none();
    if scope != ours {
        return Err(Error::object(
            ErrorKind::OnceKey,
            format!(
                "the idempotency key of this call of `{ours}` was used before, by `{scope}`; nothing was done, and a result of \
                 `{scope}` is not one of `{ours}`: give each its own keys"
            ),
        ));
    }
    result.ok_or_else(|| {
        Error::object(
            ErrorKind::OnceKey,
            format!(
                "the idempotency key of `{ours}` is there without a result; nothing was done. Either `{ours}` has called \
                 itself with the same key, or DDL has committed the first part of a transaction that did not come to its \
                 end: look for what it has done, and remove the key's row from {} if it may run once more",
                ResultTable::NAME
            ),
        )
    })
}
