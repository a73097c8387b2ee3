//! UPDATE of the columns that differ, for many rows at once where they change the same ones.

use std::collections::BTreeMap;

use aludel_core::{Dialect, Error, Flavour, Result};
use diesel::RunQueryDsl as _;

use super::{Writer, conflict, fetch};
use crate::model::{Columns, Model, Persist, Role, Stamp, Store, VersionKind};
use crate::sql::{Pair, Update};

/// Updates objects that were edited; in the order of their keys, so that two sessions that change the same rows wait for each
/// other instead of deadlocking.
pub(in crate::unit_of_work) fn update<C, M>(
    store: &mut Store<M>,
    rows: &[u32],
    writer: &mut Writer<'_, C>,
) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    // By what they change, the first row of each deciding the order among them.
    let mut alike: Vec<(Columns, Vec<u32>)> = Vec::new();
    let mut known: BTreeMap<Columns, usize> = BTreeMap::new();
    for &row in rows {
        let columns = prepare(store, row, writer)?;
        if columns.is_empty() {
            store.updated(row);
            store.switched(row);
            continue;
        }
        let group = *known.entry(columns).or_insert_with(|| {
            alike.push((columns, Vec::new()));
            alike.len() - 1
        });
        alike[group].1.push(row);
    }
    for (columns, rows) in alike {
        update_alike(store, &rows, columns, writer)?;
        fetch::after_update(store, &rows, writer)?;
    }
    Ok(())
}

/// The columns that must be written for an object, after what is set by itself is set.
fn prepare<C, M>(store: &mut Store<M>, row: u32, writer: &Writer<'_, C>) -> Result<Columns>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    let (value, loaded) = store.pair_mut(row);
    let changed = value.changes(loaded);
    let forbidden = changed.common(shape.with_role(Role::ReadOnly));
    if let Some(column) = forbidden.iter().next() {
        return Err(Error::misuse(format!(
            "{}.{} is read-only: the database makes it, and it was changed in {}",
            M::NAME,
            shape.columns[column].field,
            conflict::describe(loaded.key().as_ref()),
        )));
    }
    if changed.is_empty() {
        return Ok(Columns::NONE);
    }
    value.stamp(Stamp::Updated, writer.now);
    value.advance_version(Some(loaded));
    let mut columns = value.changes(loaded);
    if let (Some(version), VersionKind::Server) = (shape.version, shape.version_kind) {
        columns = columns.without(Columns::one(version));
    }
    Ok(columns)
}

/// Objects that change the same columns.
fn update_alike<C, M>(store: &mut Store<M>, rows: &[u32], columns: Columns, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    let changes_key = !columns.common(shape.key()).is_empty();
    let page = if changes_key { 1 } else { page::<C, M>(columns, writer) };
    for page in rows.chunks(page) {
        let pairs: Vec<Pair<'_, M>> = page.iter().map(|&row| store.pair(row)).collect();
        let update = Update {
            flavour: C::FLAVOUR,
            rows: &pairs,
            columns,
            version: shape.version,
            cached: page.len() == 1,
        };
        let count = update.execute(writer.connection)?;
        if count != page.len() {
            return Err(conflict::of_update(&pairs, columns, writer));
        }
        for &row in page {
            if changes_key {
                store.key_changed(row);
            }
            store.updated(row);
            store.switched(row);
        }
    }
    Ok(())
}

/// How many rows an UPDATE has. A CASE is searched from its beginning for each row, so that a longer one costs more than it
/// saves.
fn page<C: Dialect, M: Model>(columns: Columns, writer: &Writer<'_, C>) -> usize {
    let shape = M::shape();
    let matched = shape.keys + usize::from(shape.version.is_some());
    match C::FLAVOUR {
        Flavour::MySql => {
            let parameters = columns.len() * (shape.keys + 1) + shape.keys + matched;
            writer.page(parameters).min(CASES)
        }
        _ => writer.page(columns.len() + matched),
    }
}

/// Rows of an UPDATE with CASE.
const CASES: usize = 100;
