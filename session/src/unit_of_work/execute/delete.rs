//! DELETE of rows, or the mark that says that they are deleted.

use aludel_core::{Dialect, Result};
use diesel::RunQueryDsl as _;

use super::update::{alike, columns_of_change, write};
use super::{Writer, conflict};
use crate::model::{Persist, Stamp, Store};
use crate::sql::{Delete, DeleteKeys, Pair};

/// Deletes objects on which nothing depends any more.
pub(in crate::unit_of_work) fn delete<C, M>(
    store: &mut Store<M>,
    rows: &[u32],
    writer: &mut Writer<'_, C>,
) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    if shape.soft_delete.is_some() {
        return mark(store, rows, writer);
    }
    let per_row = shape.keys + shape.version.map_or(0, |_| shape.keys + 1);
    for page in rows.chunks(writer.page(per_row)) {
        let count = if shape.version.is_some() {
            let values: Vec<&M> = page.iter().map(|&row| store.read_at(row)).collect();
            let delete = Delete {
                flavour: C::FLAVOUR,
                rows: &values,
                version: shape.version,
            };
            let count = delete.execute(writer.connection)?;
            if count < values.len() {
                return Err(conflict::of_delete(&values, writer));
            }
            count
        } else {
            let keys: Vec<M::Key> = page.iter().filter_map(|&row| store.key_at(row).cloned()).collect();
            let delete = DeleteKeys::<M> {
                flavour: C::FLAVOUR,
                keys: &keys,
            };
            delete.execute(writer.connection)?
        };
        if count != page.len() {
            // SQLAlchemy warns as well: what was to be gone is gone.
            tracing::warn!(
                target: "aludel.session",
                "DELETE of {} rows of {} has found {count}: somebody else had deleted the others",
                page.len(),
                M::NAME,
            );
        }
        for &row in page {
            store.deleted(row);
        }
    }
    Ok(())
}

/// Sets the mark; the rows stay.
fn mark<C, M>(store: &mut Store<M>, rows: &[u32], writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let mut changed = Vec::new();
    for &row in rows {
        let loaded = store.read_at(row).clone();
        let mut value = loaded.clone();
        value.stamp(Stamp::Deleted, writer.now);
        let columns = columns_of_change(&mut value, &loaded);
        if !columns.is_empty() {
            changed.push((columns, (value, loaded)));
        }
    }
    for (columns, rows) in alike(changed) {
        let pairs: Vec<_> = rows.iter().map(|(value, loaded)| Pair { value, loaded }).collect();
        write(&pairs, columns, writer)?;
    }
    for &row in rows {
        store.deleted(row);
    }
    Ok(())
}
