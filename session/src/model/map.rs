//! The identity map: every object of a session, one store a model.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

use aludel_core::classify::Fate;
use aludel_core::{Class, Dialect, Error, ErrorKind, Result};

use super::store::Store;
use super::{Model, Persist, Written};
use crate::connection::{Connection, Touched};
use crate::transaction::own_verdict;
use crate::transaction::scope::Change;

/// All objects of a session.
///
/// **Invariant:** one row, one object: a key stands in its store's index at most once, and `put_loaded` is the only way
/// in for a row that was read.
pub(crate) struct IdentityMap<C: Dialect> {
    session: u64,
    stores: Vec<Box<dyn AnyStore<C>>>,
    index: HashMap<TypeId, usize>,
    sequence: u64,
    /// How many savepoints are open.
    depth: u32,
    /// Something was added, edited or deleted since the last flush.
    pending: bool,
    /// A commit leaves values as they are.
    keeps: bool,
}

/// A store whose model is forgotten.
trait AnyStore<C: Dialect>: Send {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn name(&self) -> &'static str;
    fn len(&self) -> usize;
    fn is_pending(&self) -> bool;
    fn table(&self) -> &'static str;
    fn expire_clean(&mut self);
    fn follow(&mut self, change: Change, keeps: bool);
    fn clear(&mut self);
    fn assert_invariants(&self);
    fn added(&self) -> Vec<(u64, u32)>;
    fn removed(&self) -> Vec<(u64, u32)>;
    fn insert(&mut self, connection: &mut Connection<C>, index: u32) -> Result<()>;
    fn update_all(&mut self, connection: &mut Connection<C>) -> Result<()>;
    fn delete(&mut self, connection: &mut Connection<C>, index: u32) -> Result<()>;
}

impl<C: Dialect> IdentityMap<C> {
    pub(crate) fn new(session: u64) -> Self {
        Self {
            session,
            stores: Vec::new(),
            index: HashMap::new(),
            sequence: 0,
            depth: 0,
            pending: false,
            keeps: false,
        }
    }

    /// Whether values stay as they are with a commit (`expire_on_commit=False` in SQLAlchemy).
    pub(crate) fn keep_on_commit(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    /// The number of its session.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// The objects of one model, if there were ever any.
    pub(crate) fn store<M: Model>(&self) -> Option<&Store<M>> {
        let index = *self.index.get(&TypeId::of::<M>())?;
        self.stores[index].as_any().downcast_ref()
    }

    /// The objects of one model.
    pub(crate) fn store_mut<M: Persist<C::Backend>>(&mut self) -> &mut Store<M> {
        let next = self.stores.len();
        let index = *self.index.entry(TypeId::of::<M>()).or_insert(next);
        if index == next {
            self.stores.push(Box::new(Store::<M>::new(self.session, self.depth, |object| {
                object.version().is_some()
            })));
        }
        self.stores[index]
            .as_any_mut()
            .downcast_mut()
            .expect("the index goes by type")
    }

    /// A place in the order of statements; there will be something to flush.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.pending = true;
        self.sequence += 1;
        self.sequence
    }

    /// Something was edited.
    pub(crate) fn mark_pending(&mut self) {
        self.pending = true;
    }

    /// Whether a flush may find something to write. Where nothing was said to be pending, no store is asked.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending && self.stores.iter().any(|store| store.is_pending())
    }

    /// What is pending, in words.
    pub(crate) fn describe_pending(&self) -> Option<String> {
        if !self.is_pending() {
            return None;
        }
        let names: Vec<&str> = self
            .stores
            .iter()
            .filter(|store| store.is_pending())
            .map(|store| store.name())
            .collect();
        Some(format!("unflushed changes of {}", names.join(", ")))
    }

    /// Writes what is pending: inserts in the order of the adds, updates in the order of keys, deletes in the order of
    /// the deletes.
    pub(crate) fn flush(&mut self, connection: &mut Connection<C>) -> Result<()> {
        if !self.pending {
            return Ok(());
        }
        for (store, index) in self.in_sequence(|store| store.added()) {
            self.stores[store].insert(connection, index)?;
        }
        for store in &mut self.stores {
            store.update_all(connection)?;
        }
        for (store, index) in self.in_sequence(|store| store.removed()) {
            self.stores[store].delete(connection, index)?;
        }
        self.pending = false;
        Ok(())
    }

    fn in_sequence(&self, of: impl Fn(&dyn AnyStore<C>) -> Vec<(u64, u32)>) -> Vec<(usize, u32)> {
        let stores = self.stores.iter().enumerate();
        let mut all: Vec<(u64, usize, u32)> = stores
            .flat_map(|(number, store)| {
                of(store.as_ref())
                    .into_iter()
                    .map(move |(at, index)| (at, number, index))
            })
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, store, index)| (store, index)).collect()
    }

    pub(crate) fn follow(&mut self, change: Change) {
        self.depth = change.depth_after(self.depth);
        for store in &mut self.stores {
            store.follow(change, self.keeps);
        }
    }

    /// A statement that the map knows nothing of has changed rows: what was read of them is read again.
    pub(crate) fn expire(&mut self, touched: Touched) {
        for store in &mut self.stores {
            match touched {
                Touched::Nothing => {}
                Touched::Table(table) if store.table() != table => {}
                Touched::Table(_) | Touched::Anything => store.expire_clean(),
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.pending = false;
        for store in &mut self.stores {
            store.clear();
        }
    }
}

impl<C: Dialect, M: Persist<C::Backend>> AnyStore<C> for Store<M> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        M::NAME
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn is_pending(&self) -> bool {
        Self::is_pending(self)
    }

    fn table(&self) -> &'static str {
        M::table()
    }

    fn expire_clean(&mut self) {
        Self::expire_clean(self);
    }

    fn follow(&mut self, change: Change, keeps: bool) {
        Self::follow(self, change, keeps);
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn assert_invariants(&self) {
        Self::assert_invariants(self);
    }

    fn added(&self) -> Vec<(u64, u32)> {
        Self::added(self)
    }

    fn removed(&self) -> Vec<(u64, u32)> {
        self.doomed()
    }

    fn insert(&mut self, connection: &mut Connection<C>, index: u32) -> Result<()> {
        let value = self
            .slot_at(index)
            .value
            .as_mut()
            .expect("a pending object has its value");
        value.insert(connection)?;
        self.inserted(index);
        Ok(())
    }

    fn update_all(&mut self, connection: &mut Connection<C>) -> Result<()> {
        for index in self.edited() {
            let slot = self.slot_at(index);
            let key = slot.key.clone();
            let (value, loaded) = slot.edited().expect("edited() answers only those");
            let written = if value.key() == key || value.key() == loaded.key() {
                value.update(connection, loaded).map_err(Error::from)?
            } else {
                return Err(Error::misuse(format!(
                    "the key of {} was changed from {} to {}; delete the object and add another one",
                    M::NAME,
                    describe(key.as_ref()),
                    describe(value.key().as_ref())
                )));
            };
            if written == Written::Missing {
                return Err(conflict::<C, M>(connection, loaded));
            }
            self.updated(index);
        }
        Ok(())
    }

    fn delete(&mut self, connection: &mut Connection<C>, index: u32) -> Result<()> {
        let slot = self.slot_at(index);
        // An expired object has no version to compare; its row is read for it.
        if slot.value.is_none() {
            let key = slot.key.as_ref().expect("a persistent object has its key");
            slot.value = M::find(connection, key)?;
        }
        let slot = self.slot_at(index);
        if let Some(value) = slot.loaded().or(slot.value.as_ref()) {
            let written = value.delete(connection)?;
            if written == Written::Missing && value.version().is_some() {
                return Err(conflict::<C, M>(connection, value));
            }
        }
        self.deleted(index);
        Ok(())
    }
}

/// A write has found no row: was it changed, or is it gone?
fn conflict<C: Dialect, M: Persist<C::Backend>>(connection: &mut Connection<C>, expected: &M) -> Error {
    let key = expected.key();
    let found = key.as_ref().map(|key| M::find(connection, key));
    let found = match found {
        Some(Ok(found)) => found,
        Some(Err(error)) => return Error::from(error),
        None => None,
    };
    let what = format!("{} {}", M::NAME, describe(key.as_ref()));
    let Some(expected) = expected.version() else {
        let text = format!("{what} is not there any more: an UPDATE matched no row");
        return Error::object(ErrorKind::NotFound, text);
    };
    let text = match found.and_then(|row| row.version()) {
        // The transaction's own snapshot may be older than the row that the UPDATE met (REPEATABLE READ on MariaDB).
        Some(found) if found == expected => {
            format!("{what} was changed by somebody else: expected version {expected}, and it has a newer one by now")
        }
        Some(found) => format!("{what} was changed by somebody else: expected version {expected}, found {found}"),
        None => format!("{what} was deleted by somebody else: expected version {expected}, found none"),
    };
    Error::object(ErrorKind::VersionConflict, text).with_verdict(own_verdict(Class::Retry, Fate::Open))
}

fn describe<K: fmt::Debug>(key: Option<&K>) -> String {
    key.map_or_else(|| "without key".to_owned(), |key| format!("{key:?}"))
}

impl<C: Dialect> fmt::Debug for IdentityMap<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for store in &self.stores {
            map.entry(&store.name(), &store.len());
        }
        map.finish()
    }
}
