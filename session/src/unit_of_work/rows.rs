//! Rows by their keys, as a flush asks for them.

use std::collections::HashMap;
use std::marker::PhantomData;

use aludel_core::{Dialect, Result};

use crate::connection::Connection;
use crate::model::Persist;
use crate::sql::ByKeys;

/// The rows with these keys, marked as deleted or not, each under the key that it was asked by: a database may spell it
/// otherwise (CHAR is padded with blanks, a collation knows no case).
pub(super) fn rows_of<C, M>(connection: &mut Connection<C>, keys: &[M::Key], lock: bool) -> Result<HashMap<M::Key, M>>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let rows = select::<C, M>(connection, keys, lock)?;
    let mut found: HashMap<M::Key, M> = rows.into_iter().filter_map(|row| Some((row.key()?, row))).collect();
    let missing: Vec<&M::Key> = keys.iter().filter(|key| !found.contains_key(key)).collect();
    // More rows than keys that were found: some of them are spelled otherwise.
    if found.len() + missing.len() > keys.len() {
        for key in missing {
            if let Some(row) = select::<C, M>(connection, std::slice::from_ref(key), lock)?.pop() {
                found.insert(key.clone(), row);
            }
        }
    }
    Ok(found)
}

fn select<C, M>(connection: &mut Connection<C>, keys: &[M::Key], lock: bool) -> Result<Vec<M>>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let select = ByKeys::<M> {
        flavour: C::FLAVOUR,
        keys,
        alive: false,
        lock,
        model: PhantomData,
    };
    Ok(M::select(connection, select)?)
}
