//! Objects as a flush sees them, and rows that are taken over.

use super::{State, Store};
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

    /// What is updated: as it is to be, and as it was read.
    pub(crate) fn pair(&self, index: u32) -> Pair<'_, M> {
        let slot = &self.slots[index as usize];
        let taken_over = self.switched.get(&index).map(|(_, loaded)| &**loaded);
        Pair {
            value: slot.value.as_ref().expect(HAS_VALUE),
            loaded: slot.loaded().or(taken_over).expect(WAS_EDITED),
        }
    }

    /// The same, the first of them to be changed.
    pub(crate) fn pair_mut(&mut self, index: u32) -> (&mut M, &M) {
        let slot = &mut self.slots[index as usize];
        let taken_over = self.switched.get(&index).map(|(_, loaded)| &**loaded);
        (
            slot.value.as_mut().expect(HAS_VALUE),
            slot.loaded.as_deref().or(taken_over).expect(WAS_EDITED),
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

    /// The value of an object as it is in its row, or will be.
    pub(crate) fn as_written(&self, index: u32) -> Option<&M> {
        let slot = &self.slots[index as usize];
        let as_read = slot.loaded().filter(|_| slot.state == State::Doomed);
        as_read.or(slot.value.as_ref())
    }

    /// The database has more to say of a row than was written.
    pub(crate) fn written_as(&mut self, index: u32, value: M) {
        self.stop_editing(index);
        let now = self.epochs.now();
        let slot = self.slot_at(index);
        slot.value = Some(value);
        slot.seen = now;
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
        if !self.switched.is_empty() {
            added.retain(|(_, index)| !self.switched.contains_key(index));
        }
        added.sort_unstable();
        added
    }

    /// Edited objects, and new ones that take over the row of one that is deleted, in the order of their keys.
    pub(crate) fn to_update(&self) -> Vec<u32> {
        let mut all = self.edited();
        if !self.switched.is_empty() {
            all.extend(self.switched.keys());
            all.sort_by_cached_key(|&index| self.pair(index).loaded.key());
        }
        all
    }

    /// Objects that are marked for deletion, in the order of their keys.
    pub(crate) fn to_delete(&self) -> Vec<u32> {
        let mut doomed: Vec<u32> = self.doomed().into_iter().map(|(_, index)| index).collect();
        if !self.switched.is_empty() {
            let taken_over: Vec<u32> = self.switched.values().map(|(old, _)| *old).collect();
            doomed.retain(|index| !taken_over.contains(index));
        }
        doomed.sort_by(|&a, &b| self.key_at(a).cmp(&self.key_at(b)));
        doomed
    }

    // ---- rows that are taken over ---------------------------------------------------------------------------

    /// New objects with the key of one that is marked for deletion, and that one.
    pub(crate) fn to_switch(&self) -> Vec<(u32, u32)> {
        if self.work.waiting().doomed == 0 {
            return Vec::new();
        }
        let taken_over = |(_, new): (u64, u32)| {
            let old = *self.keys.get(&self.slots[new as usize].value.as_ref()?.key()?)?;
            (self.slots[old as usize].state == State::Doomed).then_some((new, old))
        };
        self.added().into_iter().filter_map(taken_over).collect()
    }

    /// These are written as updates of the rows that there are, which were read.
    pub(crate) fn switch_rows(&mut self) {
        self.switched.clear();
        let shape = M::shape();
        for (new, old) in self.to_switch() {
            // A row that was found to be gone is inserted.
            if !self.is_known(old) || self.switched.values().any(|(taken, _)| *taken == old) {
                continue;
            }
            let loaded = self.read_at(old).clone();
            let value = self.row_mut(new);
            let unset = value.unset();
            for column in shape.with_role(Role::ReadOnly).and(unset).iter() {
                value.copy_column(&loaded, column);
            }
            if let Some(version) = shape.version.filter(|_| value.version_is_unset()) {
                value.copy_column(&loaded, version);
            }
            self.switched.insert(new, (old, Box::new(loaded)));
        }
    }

    /// An UPDATE has succeeded, or was not needed.
    pub(crate) fn wrote(&mut self, index: u32) {
        match self.switched.remove(&index) {
            Some((old, _)) => {
                self.deleted(old);
                self.inserted(index);
            }
            None => self.updated(index),
        }
    }

    /// Whether it takes over a row.
    pub(crate) fn is_switched(&self, index: u32) -> bool {
        self.switched.contains_key(&index)
    }

    // ---- parents and children -------------------------------------------------------------------------------

    /// The key of an object, if it is still the one that was meant.
    pub(crate) fn key_of_same(&self, index: u32, generation: u32) -> Option<&M::Key> {
        let slot = self.slots.get(index as usize)?;
        slot.key
            .as_ref()
            .filter(|_| slot.generation == generation && slot.state != State::Free)
    }

    /// Objects whose values hold and of which this is true.
    pub(crate) fn find_all(&self, is: impl Fn(&M) -> bool) -> Vec<Entity<M>> {
        self.handles_in(|index, slot| {
            let is_there = matches!(slot.state, State::Pending | State::Persistent) && self.is_current(index);
            is_there && slot.value.as_ref().is_some_and(&is)
        })
    }

    // ---- the end --------------------------------------------------------------------------------------------

    /// Everything is written, or a part of it and no more will be.
    pub(crate) fn flush_ended(&mut self) {
        self.added_keys.clear();
        self.switched.clear();
    }

    /// Model and key, for errors.
    pub(crate) fn show(&self, index: u32) -> String {
        format!("{} ({})", M::NAME, self.slots[index as usize].key_in_words())
    }
}

const HAS_VALUE: &str = "what is written has its value";
const WAS_EDITED: &str = "to_update() names only those";
