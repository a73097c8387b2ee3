//! A write has found fewer rows than it was given: which one is missing, and why.

use std::collections::HashMap;
use std::fmt;

use aludel_core::classify::Fate;
use aludel_core::{Class, Dialect, Error, ErrorKind};

use super::Writer;
use crate::model::{Columns, Model, Persist};
use crate::sql::Pair;
use crate::transaction::own_verdict;
use crate::unit_of_work::rows::rows_of;

/// An UPDATE has found too few.
pub(super) fn of_update<C, M>(pairs: &[Pair<'_, M>], columns: Columns, writer: &mut Writer<'_, C>) -> Error
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let found = match there(pairs.iter().map(|pair| pair.loaded), writer) {
        Ok(found) => found,
        Err(error) => return error,
    };
    // What this UPDATE has written is in the table already: a row that is as it was to be is none of those.
    let is_ours = |pair: &&Pair<'_, M>| {
        let row = pair.value.key().and_then(|key| found.get(&key));
        row.is_some_and(|row| row.changes(pair.value).common(columns).is_empty())
    };
    let Some(pair) = pairs.iter().find(|pair| !is_ours(pair)) else {
        let text = format!(
            "UPDATE of {} rows of {} has matched fewer: one of them was changed by somebody else, in just the same way",
            pairs.len(),
            M::NAME
        );
        return conflict(text);
    };
    explain(
        pair.loaded,
        pair.loaded.key().and_then(|key| found.get(&key)),
        "an UPDATE",
    )
}

/// A DELETE of rows with a version has found too few.
pub(super) fn of_delete<C, M>(rows: &[&M], writer: &mut Writer<'_, C>) -> Error
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let found = match there(rows.iter().copied(), writer) {
        Ok(found) => found,
        Err(error) => return error,
    };
    // What is still there has another version; if nothing is, somebody else has deleted one of them.
    let kept = rows.iter().find_map(|row| Some((row, found.get(&row.key()?)?)));
    match (kept, rows) {
        (Some((row, found)), _) => explain(*row, Some(found), "a DELETE"),
        (None, [row]) => explain(*row, None, "a DELETE"),
        (None, _) => conflict(format!(
            "DELETE of {} rows of {} has found fewer: one of them was deleted by somebody else",
            rows.len(),
            M::NAME
        )),
    }
}

/// What is there of these rows now. Locked, since a transaction's snapshot may be older than what the write has met
/// (REPEATABLE READ on MariaDB).
fn there<'a, C, M>(rows: impl Iterator<Item = &'a M>, writer: &mut Writer<'_, C>) -> Result<HashMap<M::Key, M>, Error>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let keys: Vec<M::Key> = rows.filter_map(Model::key).collect();
    rows_of(writer.connection, &keys, true)
}

fn explain<M: Model>(expected: &M, found: Option<&M>, what: &str) -> Error {
    let Some(version) = expected.version_text() else {
        let text = format!(
            "{} {} is not there any more: {what} matched no row",
            M::NAME,
            describe(expected.key().as_ref())
        );
        return Error::object(ErrorKind::NotFound, text);
    };
    version_conflict::<M>(expected.key().as_ref(), &version, found.and_then(Model::version_text))
}

/// Somebody else has changed a row since it was read.
pub(crate) fn version_conflict<M: Model>(key: Option<&M::Key>, expected: &str, found: Option<String>) -> Error {
    let what = format!("{} {}", M::NAME, describe(key));
    conflict(match found {
        // READ COMMITTED on a database that cannot lock what it shows.
        Some(found) if found == expected => {
            format!("{what} was changed by somebody else: expected version {expected}, and it has a newer one by now")
        }
        Some(found) => format!("{what} was changed by somebody else: expected version {expected}, found {found}"),
        None => format!("{what} was deleted by somebody else: expected version {expected}, found none"),
    })
}

fn conflict(text: String) -> Error {
    Error::object(ErrorKind::VersionConflict, text).with_verdict(own_verdict(Class::Retry, Fate::Open))
}

pub(super) fn describe<K: fmt::Debug>(key: Option<&K>) -> String {
    key.map_or_else(|| "without key".to_owned(), |key| format!("{key:?}"))
}
