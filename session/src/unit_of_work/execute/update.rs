//! UPDATE of the columns that differ, for many rows at once where they change the same ones.

use std::collections::HashMap;

use aludel_core::{Dialect, Error, Result};
use diesel::RunQueryDsl as _;

use super::{Writer, conflict, fetch};
use crate::model::{Columns, Model, Persist, Role, Stamp, Store};
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
    let mut changed = Vec::new();
    let read_only = M::shape().with_role(Role::ReadOnly);
    for &row in rows {
        let columns = prepare(store, row, read_only, writer)?;
        if columns.is_empty() {
            store.wrote(row);
        } else {
            changed.push((columns, row));
        }
    }
    for (columns, rows) in alike(changed) {
        update_alike(store, &rows, columns, writer)?;
        fetch::after_update(store, &rows, writer)?;
    }
    Ok(())
}

/// Things by the columns that they change, which one UPDATE can have in common; the first of each decides the order among them.
pub(super) fn alike<T>(changed: Vec<(Columns, T)>) -> Vec<(Columns, Vec<T>)> {
    let mut alike: Vec<(Columns, Vec<T>)> = Vec::new();
    let mut known: HashMap<Columns, usize> = HashMap::new();
    let mut last = 0;
    for (columns, thing) in changed {
        // Most change what the one before has changed.
        if alike.get(last).is_none_or(|(known, _)| *known != columns) {
            last = *known.entry(columns).or_insert_with(|| {
                alike.push((columns, Vec::new()));
                alike.len() - 1
            });
        }
        alike[last].1.push(thing);
    }
    alike
}

/// The columns that must be written for an object, after what is set by itself is set.
fn prepare<C, M>(store: &mut Store<M>, row: u32, read_only: Columns, writer: &Writer<'_, C>) -> Result<Columns>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let is_new = store.is_switched(row);
    let (value, loaded) = store.pair_mut(row);
    if is_new {
        // It takes over a row, and is a new one all the same.
        value.stamp(Stamp::Created, writer.now);
    }
    let changed = value.changes(loaded);
    let forbidden = changed.common(read_only);
    if let Some(column) = forbidden.iter().next() {
        return Err(Error::misuse(format!(
            "{}.{} is read-only: the database makes it, and it was changed in {}",
            M::NAME,
            M::shape().columns[column].field,
            conflict::describe(loaded.key().as_ref()),
        )));
    }
    if changed.is_empty() {
        return Ok(Columns::NONE);
    }
    value.stamp(Stamp::Updated, writer.now);
    Ok(columns_of_change(value, loaded))
}

/// Objects that change the same columns.
fn update_alike<C, M>(store: &mut Store<M>, rows: &[u32], columns: Columns, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let pairs: Vec<Pair<'_, M>> = rows.iter().map(|&row| store.pair(row)).collect();
    write(&pairs, columns, writer)?;
    let changes_key = changes_key::<M>(columns);
    for &row in rows {
        if changes_key && !store.is_switched(row) {
            store.key_changed(row);
        }
        store.wrote(row);
    }
    Ok(())
}

fn changes_key<M: Model>(columns: Columns) -> bool {
    !columns.common(M::shape().key()).is_empty()
}

/// The statements, and a look at what they have matched.
pub(super) fn write<C, M>(pairs: &[Pair<'_, M>], columns: Columns, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    // Keys are changed one by one, in the order of the old ones.
    let page = if changes_key::<M>(columns) || pairs.len() < WORTH_A_BATCH {
        1
    } else {
        page::<C, M>(columns, writer)
    };
    for rows in pairs.chunks(page) {
        let update = Update {
            flavour: C::FLAVOUR,
            rows,
            columns,
            version: M::shape().version,
            cached: rows.len() == 1 || rows.len() == page,
        };
        let count = update.execute(writer.connection)?;
        if count != rows.len() {
            return Err(conflict::of_update(rows, columns, writer));
        }
    }
    Ok(())
}

/// The columns of a change, with the version counted up; the database's own version is not written.
pub(super) fn columns_of_change<M: Model>(value: &mut M, loaded: &M) -> Columns {
    value.advance_version(Some(loaded));
    value.changes(loaded).without(M::shape().version_of_server())
}

/// How many rows an UPDATE has.
fn page<C: Dialect, M: Model>(columns: Columns, writer: &Writer<'_, C>) -> usize {
    let shape = M::shape();
    writer.page(columns.len() + shape.keys + usize::from(shape.version.is_some()))
}

/// Fewer rows than this are updated one by one, by a statement that is prepared once.
const WORTH_A_BATCH: usize = 4;
