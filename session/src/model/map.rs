//! The identity map: every object of a session, one store a model.

use std::any::{Any, TypeId};
use std::fmt;

use aludel_core::{Dialect, Result};

use super::store::Store;
use super::{Entity, Model, Persist};
use crate::connection::{Connection, Touched};
use crate::transaction::scope::Change;
use crate::unit_of_work::{self, Unit};

/// All objects of a session.
///
/// **Invariant:** one row, one object: a key stands in its store's index at most once, and `put_loaded` is the only way
/// in for a row that was read.
pub(crate) struct IdentityMap<C: Dialect> {
    session: u64,
    stores: Vec<Box<dyn AnyStore<C>>>,
    /// Whose store is where. A program has few models, and looking through them costs less than hashing.
    index: Vec<TypeId>,
    sequence: u64,
    /// How many savepoints are open.
    depth: u32,
    /// Something was added, edited or deleted since the last flush.
    pending: bool,
    /// A commit leaves values as they are.
    keeps: bool,
}

/// A store whose model is forgotten.
pub(crate) trait AnyStore<C: Dialect>: Unit<C> + Send {
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
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<C: Dialect> IdentityMap<C> {
    pub(crate) fn new(session: u64) -> Self {
        Self {
            session,
            stores: Vec::new(),
            index: Vec::new(),
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
        let index = self.position(TypeId::of::<M>())?;
        self.stores[index].as_any().downcast_ref()
    }

    /// The objects of one model.
    pub(crate) fn store_mut<M: Persist<C::Backend>>(&mut self) -> &mut Store<M> {
        let index = self.position(TypeId::of::<M>()).unwrap_or_else(|| {
            self.index.push(TypeId::of::<M>());
            self.stores.push(Box::new(Store::<M>::new(self.session, self.depth)));
            self.index.len() - 1
        });
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

    /// Writes what is pending.
    pub(crate) fn flush(&mut self, connection: &mut Connection<C>) -> Result<()> {
        if self.pending {
            unit_of_work::flush(self, connection)?;
            self.pending = false;
        }
        Ok(())
    }

    // ---- for the unit of work -----------------------------------------------------------------------------------

    /// How many models there are.
    pub(crate) fn count(&self) -> usize {
        self.stores.len()
    }

    pub(crate) fn unit(&self, store: usize) -> &dyn AnyStore<C> {
        self.stores[store].as_ref()
    }

    pub(crate) fn unit_mut(&mut self, store: usize) -> &mut dyn AnyStore<C> {
        self.stores[store].as_mut()
    }

    pub(crate) fn name(&self, store: usize) -> &'static str {
        self.stores[store].name()
    }

    pub(crate) fn store_as_any(&self, store: usize) -> &dyn Any {
        self.stores[store].as_any()
    }

    /// The number of a model, if the session has ever had objects of it.
    pub(crate) fn position(&self, model: TypeId) -> Option<usize> {
        self.index.iter().position(|&known| known == model)
    }

    /// Marks an object for deletion.
    pub(crate) fn doom<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        let sequence = self.next_sequence();
        let store = self.store_mut::<M>();
        store
            .delete(entity, sequence)
            .map_err(|trouble| store.explain(entity, trouble))
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

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.stores.iter().map(|store| store.len()).sum()
    }

    /// Each object in a line.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stores.iter().try_for_each(|store| store.describe(f))
    }

    pub(crate) fn assert_invariants(&self) {
        let waits = self.stores.iter().any(|store| store.is_pending());
        assert!(self.pending || !waits, "something waits for a flush, and nobody knows");
        self.stores.iter().for_each(|store| store.assert_invariants());
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

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::describe(self, f)
    }
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
