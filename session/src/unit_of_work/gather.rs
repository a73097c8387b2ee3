//! What must be known before a flush is planned: children of what is deleted, rows that are deleted unread.

use std::collections::{HashMap, HashSet};

use aludel_core::{Dialect, Error, Result};

use super::rows::rows_of;
use crate::connection::Connection;
use crate::model::{Arrival, ForeignKey, IdentityMap, Model, OnDelete, Persist, Store};
use crate::sql::ByParents;

/// Sees to the children of those doomed objects of one model that are not yet in the set; whether there were any.
pub(super) type CascadeOf<C> = fn(&mut IdentityMap<C>, &mut Connection<C>, &mut HashSet<u32>) -> Result<bool>;

/// Keys in the WHERE of one SELECT.
const PAGE: usize = 500;

/// Follows deletions from parents to children, until nothing more is deleted.
pub(super) fn children<C: Dialect>(objects: &mut IdentityMap<C>, connection: &mut Connection<C>) -> Result<()> {
    let mut seen: HashMap<usize, HashSet<u32>> = HashMap::new();
    loop {
        let mut more = false;
        for store in 0..objects.count() {
            if !objects.unit(store).to_delete().is_empty() {
                let cascade = objects.unit(store).cascade();
                more |= cascade(objects, connection, seen.entry(store).or_default())?;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

pub(super) fn cascade_of<C: Dialect, M: Persist<C::Backend>>(
    objects: &mut IdentityMap<C>,
    connection: &mut Connection<C>,
    seen: &mut HashSet<u32>,
) -> Result<bool> {
    let store = objects.store_mut::<M>();
    let new: Vec<u32> = store
        .to_delete()
        .into_iter()
        .filter(|&index| seen.insert(index))
        .collect();
    let parents: Vec<M::Key> = new.iter().filter_map(|&index| store.key_at(index).cloned()).collect();
    if parents.is_empty() {
        return Ok(false);
    }
    M::cascade(&mut Cascading {
        objects,
        connection,
        parents,
    })?;
    Ok(true)
}

/// The children of objects that are about to be deleted.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cascading<'a, C: Dialect, P: Model> {
    objects: &'a mut IdentityMap<C>,
    connection: &'a mut Connection<C>,
    parents: Vec<P::Key>,
}

impl<C: Dialect, P: Persist<C::Backend>> Cascading<'_, C, P> {
    /// Those by one foreign key.
    ///
    /// # Errors
    ///
    /// Those of the statements; and where a foreign key that cannot be NULL would have to be.
    pub fn children<M: Persist<C::Backend>>(&mut self, reference: ForeignKey<M, P>, on_delete: OnDelete) -> Result<()> {
        match on_delete {
            OnDelete::Database => return Ok(()),
            OnDelete::SetNull if !reference.is_nullable() => {
                return Err(Error::misuse(format!(
                    "{}.{} cannot be NULL, so that `on_delete = \"set_null\"` cannot be done; make the field an `Option`, or \
                     cascade",
                    M::NAME,
                    reference.name()
                )));
            }
            OnDelete::Cascade | OnDelete::SetNull => {}
        }
        // A row that is only marked as deleted is there, and refers to the one that goes.
        let with_marked = on_delete == OnDelete::SetNull && P::shape().soft_delete.is_none();
        for keys in self.parents.chunks(PAGE) {
            let select = ByParents {
                flavour: C::FLAVOUR,
                reference,
                keys,
                with_marked,
            };
            for row in M::select(self.connection, select)? {
                if let Some(key) = row.key() {
                    self.objects.store_mut::<M>().put_loaded(key, row, Arrival::Keeps);
                }
            }
        }
        // As they are in the session: one that was given to another parent is none of these, one that was added is.
        let parents: HashSet<&P::Key> = self.parents.iter().collect();
        let is_child = |child: &M| reference.get(child).is_some_and(|key| parents.contains(&key));
        let number = reference.number();
        for child in self.objects.store_mut::<M>().find_all(is_child) {
            // The parent that it was given since is not written yet, and may take over the row of one that is deleted.
            let is_given = |number| self.objects.store_mut::<M>().link_of(child, number).is_some();
            if number.is_some_and(is_given) {
                continue;
            }
            match on_delete {
                OnDelete::Cascade => self.objects.doom(child)?,
                OnDelete::SetNull | OnDelete::Database => {
                    reference.set(self.objects.store_mut::<M>().edit(child)?, None);
                }
            }
        }
        Ok(())
    }
}

/// A version, a mark, or a foreign key to another doomed row must be known before a row is deleted.
pub(super) fn read_doomed<C, M>(store: &mut Store<M>, all: bool, connection: &mut Connection<C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    let all = all || shape.version.is_some() || shape.soft_delete.is_some();
    // One whose row a new object takes over must be known in any case.
    let mut doomed = if all {
        store.to_delete()
    } else {
        store.to_switch().into_iter().map(|(_, old)| old).collect()
    };
    doomed.retain(|&index| !store.is_known(index));
    let unread = doomed;
    for page in unread.chunks(PAGE) {
        let keys: Vec<M::Key> = page.iter().filter_map(|&index| store.key_at(index).cloned()).collect();
        let mut found = rows_of::<C, M>(connection, &keys, false)?;
        for &index in page {
            match store.key_at(index).and_then(|key| found.remove(key)) {
                Some(row) => store.read_for_flush(index, row),
                // It is gone, as it was to be.
                None => store.deleted(index),
            }
        }
    }
    Ok(())
}
