//! What the database alone knows after a write: defaults, computed columns, versions of its own.

use aludel_core::{Dialect, Result};

use super::{Writer, wrong_count};
use crate::model::{Columns, Model, Persist, Role, Store};
use crate::unit_of_work::rows::rows_of;

/// Reads what an INSERT has not said.
pub(super) fn after_insert<C, M>(store: &mut Store<M>, rows: &[u32], writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let made = made_with_each_write::<M>();
    let incomplete = |&row: &u32| !made.and(store.row(row).unset()).is_empty();
    let rows: Vec<u32> = rows.iter().copied().filter(incomplete).collect();
    read_again(store, &rows, "INSERT", writer)
}

/// Reads what an UPDATE has not said.
pub(super) fn after_update<C, M>(store: &mut Store<M>, rows: &[u32], writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    if made_with_each_write::<M>().is_empty() {
        return Ok(());
    }
    read_again(store, rows, "UPDATE", writer)
}

/// The columns that the database makes with each write.
fn made_with_each_write<M: Model>() -> Columns {
    let shape = M::shape();
    shape.with_role(Role::ReadOnly).and(shape.version_of_server())
}

/// One SELECT a page, on every database: a trigger may have changed what RETURNING would have answered.
fn read_again<C, M>(store: &mut Store<M>, rows: &[u32], verb: &str, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    for page in rows.chunks(writer.page(shape.keys)) {
        let keys: Vec<M::Key> = page.iter().filter_map(|&row| store.key_at(row).cloned()).collect();
        let mut found = rows_of::<C, M>(writer.connection, &keys, false)?;
        for &row in page {
            let fresh = store.key_at(row).and_then(|key| found.remove(key));
            let Some(fresh) = fresh else {
                return Err(wrong_count::<M>(verb, page.len(), page.len() - 1));
            };
            store.written_as(row, fresh);
        }
    }
    Ok(())
}
