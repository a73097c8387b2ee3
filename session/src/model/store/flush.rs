//! What a flush sees of the objects of a model, and tells them.

use std::collections::HashSet;

use super::{State, Store, What};
use crate::model::{Entity, Model, Role};
use crate::sql::Pair;

impl<M: Model> Store<M> {
    /// The value of an object that is to be written.
    pub(crate) fn row(&self, index: u32) -> &M {
        self.slots[index as usize].value.as_ref().expect(HAS_VALUE)
    }

    /// The same, to be changed.
    pub(crate) fn row_mut(&mut self, index: u32) -> &mut M {
        self.slots[index as usize].value.as_mut().expect(HAS_VALUE)
    }

    /// An edited object: as it is to be, and as it was read.
    pub(crate) fn pair(&self, index: u32) -> Pair<'_, M> {
        let slot = &self.slots[index as usize];
        Pair {
            value: slot.value.as_ref().expect(HAS_VALUE),
            loaded: slot.loaded().expect(WAS_EDITED),
        }
    }

    /// The same, the first of them to be changed.
    pub(crate) fn pair_mut(&mut self, index: u32) -> (&mut M, &M) {
        let slot = &mut self.slots[index as usize];
        (
            slot.value.as_mut().expect(HAS_VALUE),
            slot.loaded.as_deref().expect(WAS_EDITED),
        )
    }

    /// An object as its row was read last.
    pub(crate) fn read_at(&self, index: u32) -> &M {
        let slot = &self.slots[index as usize];
        slot.loaded().or(slot.value.as_ref()).expect(HAS_VALUE)
    }

    /// Whether a row need not be read again to be compared with.
    pub(crate) fn is_known(&self, index: u32) -> bool {
        let slot = &self.slots[index as usize];
        slot.loaded.is_some() || slot.value.is_some() && self.holds(index)
    }

    /// The key of an object, once its row has one.
    pub(crate) fn key_at(&self, index: u32) -> Option<&M::Key> {
        self.slots[index as usize].key.as_ref()
    }

    /// The database has more to say of a row than was written.
    pub(crate) fn written_as(&mut self, index: u32, value: M) {
        let slot = self.slot_at(index);
        slot.value = Some(value);
        self.is_written(index);
    }

    /// The row of a doomed object was read.
    pub(crate) fn read_for_flush(&mut self, index: u32, value: M) {
        if !self.is_known(index) {
            self.written_as(index, value);
        }
    }

    /// Added objects, each with its place in the order of all adds.
    pub(crate) fn to_insert(&self) -> Vec<(u64, u32)> {
        let mut added = self.added();
        added.retain(|(_, index)| !self.switched.contains_key(index));
        added
    }

    /// Edited objects, and new ones that take over the row of one that is deleted, in the order of their keys.
    pub(crate) fn to_update(&self) -> Vec<u32> {
        let mut all = self.edited();
        if !self.switched.is_empty() {
            all.extend(self.switched.keys());
            all.sort_by_cached_key(|&index| self.slots[index as usize].known_key());
        }
        all
    }

    /// Objects that are marked for deletion, in the order of their keys.
    pub(crate) fn to_delete(&self) -> Vec<u32> {
        let taken_over: HashSet<u32> = self.switched.values().copied().collect();
        let doomed = self.doomed().into_iter().map(|(_, index)| index);
        let mut doomed: Vec<u32> = doomed.filter(|index| !taken_over.contains(index)).collect();
        doomed.sort_by(|&a, &b| self.key_at(a).cmp(&self.key_at(b)));
        doomed
    }

    /// The value of an object as it is, or will be, in its row.
    pub(crate) fn as_written(&self, index: u32) -> Option<&M> {
        let slot = &self.slots[index as usize];
        let as_read = slot.loaded().filter(|_| slot.state == State::Doomed);
        as_read.or(slot.value.as_ref())
    }

    // ---- row switches ---------------------------------------------------------------------------------------

    /// New objects with the key of one that is marked for deletion, and that one.
    pub(crate) fn to_switch(&self) -> Vec<(u32, u32)> {
        let taken_over = |(_, new): (u64, u32)| {
            let old = *self.keys.get(&self.slots[new as usize].value.as_ref()?.key()?)?;
            (self.slots[old as usize].state == State::Doomed).then_some((new, old))
        };
        if self.doomed().is_empty() {
            return Vec::new();
        }
        self.added().into_iter().filter_map(taken_over).collect()
    }

    /// These are written as updates of the rows that there are, which were read.
    pub(crate) fn switch_rows(&mut self) {
        self.switched.clear();
        for (new, old) in self.to_switch() {
            // The row of one that was not found is inserted, and two new ones cannot have the same.
            if self.is_known(old) && !self.switched.values().any(|&taken| taken == old) {
                let loaded = self.read_at(old).clone();
                self.take_over(new, old, loaded);
            }
        }
    }

    fn take_over(&mut self, new: u32, old: u32, loaded: M) {
        let shape = M::shape();
        self.stop_editing(new);
        let slot = self.slot_at(new);
        let value = slot.value.as_mut().expect(HAS_VALUE);
        for column in shape.with_role(Role::ReadOnly).and(value.unset()).iter() {
            value.copy_column(&loaded, column);
        }
        if let Some(version) = shape.version.filter(|_| value.version_is_unset()) {
            value.copy_column(&loaded, version);
        }
        self.compare_with(new, loaded);
        self.switched.insert(new, old);
    }

    /// An UPDATE has succeeded, or was not needed.
    pub(crate) fn wrote(&mut self, index: u32) {
        if let Some(old) = self.switched.remove(&index) {
            self.deleted(old);
            self.inserted(index);
        } else {
            self.updated(index);
        }
    }

    /// Whether it takes over a row.
    pub(crate) fn is_switched(&self, index: u32) -> bool {
        self.switched.contains_key(&index)
    }

    // ---- parents --------------------------------------------------------------------------------------------

    /// New objects can be found by their keys as well, until they are written.
    pub(crate) fn index_added(&mut self) {
        self.added_keys.clear();
        for (_, index) in self.added() {
            if let Some(key) = self.slots[index as usize].value.as_ref().and_then(Model::key) {
                self.added_keys.insert(key, index);
            }
        }
    }

    /// Where the object with this key is.
    pub(crate) fn position(&self, key: &M::Key) -> Option<u32> {
        self.keys.get(key).or_else(|| self.added_keys.get(key)).copied()
    }

    /// The key of an object, if it is still the one that was meant.
    pub(crate) fn key_of_same(&self, index: u32, generation: u32) -> Option<&M::Key> {
        let slot = self.slots.get(index as usize)?;
        slot.key
            .as_ref()
            .filter(|_| slot.generation == generation && slot.state != State::Free)
    }

    /// Objects that are neither expired nor deleted and of which this holds.
    pub(crate) fn find_all(&self, holds: impl Fn(&M) -> bool) -> Vec<Entity<M>> {
        self.handles_in(|index, slot| {
            let is_there = matches!(slot.state, State::Pending | State::Persistent) && self.is_current(index);
            is_there && slot.value.as_ref().is_some_and(&holds)
        })
    }

    /// Objects that stand for rows, were not edited, and of which this holds.
    pub(crate) fn unchanged(&self, holds: impl Fn(&M) -> bool) -> Vec<u32> {
        let places = (0..).zip(&self.slots);
        let unchanged = places.filter(|(_, slot)| {
            let is = slot.state == State::Persistent && slot.loaded.is_none();
            is && slot.value.as_ref().is_some_and(&holds)
        });
        unchanged.map(|(index, _)| index).collect()
    }

    /// Its row may be another one by now, or gone.
    pub(crate) fn expire_row(&mut self, index: u32) {
        self.expire_at(index);
        self.note(index, What::Touched);
    }

    // ---- reports --------------------------------------------------------------------------------------------

    /// An INSERT has succeeded, and the value has its key.
    pub(crate) fn inserted(&mut self, index: u32) {
        self.set_state(index, State::Persistent);
        self.is_written(index);
        let slot = self.slot_at(index);
        slot.key = slot.value.as_ref().and_then(Model::key);
        self.seat_new(index);
    }

    fn updated(&mut self, index: u32) {
        let slot = &self.slots[index as usize];
        // A statement beside it has changed the row since it was read; the edit was kept, and is written by now.
        let old = slot.state == State::Persistent && !self.epochs.hold(slot.seen);
        if old {
            self.expire_at(index);
        } else {
            self.is_written(index);
        }
        self.note(index, What::Touched);
    }

    /// An UPDATE has changed the key to that of the value.
    pub(crate) fn key_changed(&mut self, index: u32) {
        self.unseat(index);
        let slot = self.slot_at(index);
        let key = slot.value.as_ref().and_then(Model::key);
        if let Some(old) = std::mem::replace(&mut slot.key, key) {
            let generation = slot.generation;
            self.journal.note_key(index, generation, self.depth, old);
        }
        self.seat(index);
    }

    /// A DELETE has succeeded.
    pub(crate) fn deleted(&mut self, index: u32) {
        self.stop_editing(index);
        self.unlink(index);
        self.set_state(index, State::Deleted);
        self.slot_at(index).value = None;
    }

    /// The value is that of the row.
    fn is_written(&mut self, index: u32) {
        self.stop_editing(index);
        self.unlink(index);
        let now = self.epochs.now();
        self.slot_at(index).seen = now;
    }

    // ---- the end --------------------------------------------------------------------------------------------

    /// Everything is written, or no more of it will be.
    pub(crate) fn flush_ended(&mut self) {
        self.added_keys.clear();
        self.switched.clear();
    }

    /// Model and key, for errors.
    pub(crate) fn show(&self, index: u32) -> String {
        match self.slots[index as usize].known_key() {
            Some(key) => format!("{} {key:?}", M::NAME),
            None => format!("{} (new, no key yet)", M::NAME),
        }
    }
}

const HAS_VALUE: &str = "what is written has its value";
const WAS_EDITED: &str = "to_update() names only those";
