//! The identity map: every object of a session, one store a model.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

use aludel_core::{Dialect, Result};

use super::store::{Changed, Store, Witness};
use super::{Entity, Model, Persist};
use crate::connection::{Connection, bare_name, table_written_by};
use crate::sql::Table;
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
    /// The name of each one's table; see [`bare_name`].
    tables: Vec<String>,
    /// The names of tables by the types that `table!` has made for them; none where a statement did not say.
    names: HashMap<&'static str, Option<String>>,
    sequence: u64,
    /// How many savepoints are open.
    depth: u32,
    /// Something was added, edited or deleted since the last flush.
    pending: bool,
    /// A commit leaves values as they are.
    keeps: bool,
    /// What is told of objects while somebody listens.
    witness: Option<Witness>,
}

/// A store whose model is forgotten.
pub(crate) trait AnyStore<C: Dialect>: Unit<C> + Send {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn name(&self) -> &'static str;
    fn len(&self) -> usize;
    fn is_pending(&self) -> bool;
    fn listen(&mut self, witness: Witness);
    /// A number that grows with each object that begins to wait for a flush.
    fn news(&self) -> u64;
    fn expire_clean(&mut self);
    /// What was read is as a commit has left it.
    fn leave(&mut self);
    /// Whether a foreign key leads to one of these, at whatever distance.
    fn hangs_on(&self, is_meant: &dyn Fn(TypeId, &'static str) -> bool) -> bool;
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
            tables: Vec::new(),
            names: HashMap::new(),
            sequence: 0,
            depth: 0,
            pending: false,
            keeps: false,
            witness: None,
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
            let quoted = C::sql(&Table::<M>::new()).unwrap_or_else(|_| M::NAME.to_owned());
            self.tables.push(bare_name(C::FLAVOUR, &quoted));
            if let Some(witness) = &self.witness {
                self.stores[self.index.len() - 1].listen(witness.clone());
            }
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

    /// Nobody knows which rows were changed: what was read is read again.
    pub(crate) fn expire_all(&mut self) {
        for store in &mut self.stores {
            store.expire_clean();
        }
    }

    /// A statement has changed rows of the table with this type: they are read again by whichever model, and so is what the database
    /// may have done to those that refer to them.
    pub(crate) fn expire_table(&mut self, table: &'static str, sql: impl FnOnce() -> Option<String>) {
        if self.stores.is_empty() {
            return;
        }
        let name = self
            .names
            .entry(table)
            .or_insert_with(|| sql().and_then(|sql| table_written_by(C::FLAVOUR, &sql)));
        match name.clone() {
            Some(name) => self.expire_named(&name),
            None => self.expire_all(),
        }
    }

    fn expire_named(&mut self, table: &str) {
        for number in 0..self.stores.len() {
            if self.tables[number] == table || self.hangs_on(number, table) {
                self.stores[number].expire_clean();
            }
        }
    }

    /// A flush has changed rows of one model, and taken the keys of some away (`lost`): other models of the table know nothing of
    /// it, nor do those that refer to it through a model that the session has never had objects of.
    pub(crate) fn expire_others(&mut self, written: usize, lost: bool) {
        let table = self.tables[written].clone();
        let has_twin = self.tables.iter().filter(|other| **other == table).count() > 1;
        let known = if lost && !has_twin {
            self.descendants(written)
        } else {
            Vec::new()
        };
        for number in 0..self.stores.len() {
            let same = number != written && self.tables[number] == table;
            let hangs = lost && !known.contains(&number) && self.hangs_on(number, &table);
            if same || hangs {
                self.stores[number].expire_clean();
            }
        }
    }

    /// The model, and those that refer to it or to what refers to it, each through models that the session has objects of.
    fn descendants(&self, of: usize) -> Vec<usize> {
        let mut found = vec![of];
        let mut at = 0;
        while let Some(&parent) = found.get(at) {
            for number in 0..self.stores.len() {
                if !found.contains(&number) && self.stores[number].parents().contains(&self.index[parent]) {
                    found.push(number);
                }
            }
            at += 1;
        }
        found
    }

    /// Whether the rows of a model refer to those of a table, or to what refers to them. Of a model that the session has never had
    /// objects of, the table's name is taken from its type.
    fn hangs_on(&self, number: usize, table: &str) -> bool {
        self.stores[number].hangs_on(&|parent, type_of_table| match self.position(parent) {
            Some(parent) => self.tables[parent] == table,
            None => type_of_table
                .rsplit("::")
                .nth(1)
                .is_some_and(|name| name.eq_ignore_ascii_case(table)),
        })
    }

    /// What was read is as a commit has left it: good to look at until it is asked for.
    pub(crate) fn leave(&mut self) {
        for store in &mut self.stores {
            store.leave();
        }
    }

    /// Somebody listens from now on.
    pub(crate) fn listen(&mut self) {
        let witness = self.witness.get_or_insert_default();
        for store in &mut self.stores {
            store.listen(witness.clone());
        }
    }

    /// The changes of states that nobody was told of yet.
    pub(crate) fn changed(&self) -> Vec<Changed> {
        self.witness.as_ref().map_or_else(Vec::new, Witness::take)
    }

    /// A number that grows with each object that begins to wait for a flush.
    pub(crate) fn news(&self) -> u64 {
        self.stores.iter().map(|store| store.news()).sum()
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

    fn listen(&mut self, witness: Witness) {
        Self::listen(self, witness);
    }

    fn news(&self) -> u64 {
        Self::news(self)
    }

    fn expire_clean(&mut self) {
        Self::expire_clean(self);
    }

    fn leave(&mut self) {
        Self::leave(self);
    }

    fn hangs_on(&self, is_meant: &dyn Fn(TypeId, &'static str) -> bool) -> bool {
        let mut seen = Vec::new();
        M::REFERENCES
            .iter()
            .any(|reference| reference.leads_to(is_meant, &mut seen))
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
