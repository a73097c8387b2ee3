//! What a flush sees of the objects of a model, and tells them.

use super::{Freshness, Link, State, Store};
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
            loaded: slot.loaded.as_ref().expect(WAS_EDITED),
        }
    }

    /// The same, the first of them to be changed.
    pub(crate) fn pair_mut(&mut self, index: u32) -> (&mut M, &M) {
        let slot = &mut self.slots[index as usize];
        (
            slot.value.as_mut().expect(HAS_VALUE),
            slot.loaded.as_ref().expect(WAS_EDITED),
        )
    }

    /// An object as its row was read last.
    pub(crate) fn as_read(&self, index: u32) -> &M {
        let slot = &self.slots[index as usize];
        slot.loaded.as_ref().or(slot.value.as_ref()).expect(HAS_VALUE)
    }

    /// Whether the value of an object is there.
    pub(crate) fn has_value(&self, index: u32) -> bool {
        self.slots[index as usize].value.is_some()
    }

    /// The key of an object, once its row has one.
    pub(crate) fn key_at(&self, index: u32) -> Option<&M::Key> {
        self.slots[index as usize].key.as_ref()
    }

    /// The database has more to say of a row than was written.
    pub(crate) fn written_as(&mut self, index: u32, value: M) {
        let slot = &mut self.slots[index as usize];
        slot.value = Some(value);
        slot.loaded = None;
        slot.freshness = Freshness::Current;
    }

    /// The row of an object that has lost its value was read for it.
    pub(crate) fn read_for_flush(&mut self, index: u32, value: M) {
        let slot = &mut self.slots[index as usize];
        if slot.value.is_none() {
            slot.value = Some(value);
        }
    }

    /// Added objects, each with its place in the order of all adds.
    pub(crate) fn to_insert(&self) -> Vec<(u64, u32)> {
        let added = self.in_state(State::Pending).into_iter();
        let mut added: Vec<_> = added.filter(|&(_, index)| !self.takes_over(index)).collect();
        added.sort_unstable();
        added
    }

    /// Edited objects, and new ones that take over the row of one that is deleted, in the order of their keys.
    pub(crate) fn to_update(&self) -> Vec<u32> {
        let edited = self.edited.iter().copied().filter(|&index| {
            let slot = &self.slots[index as usize];
            slot.state == State::Persistent && slot.loaded.is_some()
        });
        let mut all: Vec<u32> = edited.chain(self.switched.iter().map(|&(new, _)| new)).collect();
        let key = |index: u32| {
            let slot = &self.slots[index as usize];
            slot.key.clone().or_else(|| slot.value.as_ref().and_then(Model::key))
        };
        all.sort_by_cached_key(|&index| key(index));
        all.dedup();
        all
    }

    /// Objects that are marked for deletion, in the order of their keys.
    pub(crate) fn to_delete(&self) -> Vec<u32> {
        let doomed = self.in_state(State::Doomed).into_iter().map(|(_, index)| index);
        let mut doomed: Vec<u32> = doomed
            .filter(|&index| !self.switched.iter().any(|&(_, old)| old == index))
            .collect();
        doomed.sort_by(|&a, &b| self.key_at(a).cmp(&self.key_at(b)));
        doomed
    }

    /// The value of an object as it is, or will be, in its row.
    pub(crate) fn as_written(&self, index: u32) -> Option<&M> {
        let slot = &self.slots[index as usize];
        let as_read = slot.loaded.as_ref().filter(|_| slot.state == State::Doomed);
        as_read.or(slot.value.as_ref())
    }

    // ---- row switches ---------------------------------------------------------------------------------------

    /// New objects with the key of one that is marked for deletion are written as an update of its row.
    pub(crate) fn switch_rows(&mut self) {
        self.switched.clear();
        if self.in_state(State::Doomed).is_empty() {
            return;
        }
        for (_, new) in self.in_state(State::Pending) {
            let key = self.slots[new as usize].value.as_ref().and_then(Model::key);
            let old = key.and_then(|key| self.position(&key));
            let Some(old) = old.filter(|&old| self.slots[old as usize].state == State::Doomed) else {
                continue;
            };
            let slot = &self.slots[old as usize];
            if let Some(loaded) = slot.loaded.as_ref().or(slot.value.as_ref()).cloned() {
                self.take_over(new, old, loaded);
            }
        }
    }

    fn take_over(&mut self, new: u32, old: u32, loaded: M) {
        let shape = M::shape();
        let slot = &mut self.slots[new as usize];
        let value = slot.value.as_mut().expect(HAS_VALUE);
        for column in shape.with_role(Role::ReadOnly).iter() {
            value.copy_column(&loaded, column);
        }
        if let Some(version) = shape.version.filter(|_| value.version_is_unset()) {
            value.copy_column(&loaded, version);
        }
        slot.loaded = Some(loaded);
        self.switched.push((new, old));
    }

    fn takes_over(&self, index: u32) -> bool {
        self.switched.iter().any(|&(new, _)| new == index)
    }

    /// The row of a deleted object is that of a new one now.
    pub(crate) fn switched(&mut self, index: u32) {
        if let Some(at) = self.switched.iter().position(|&(new, _)| new == index) {
            let (new, old) = self.switched.swap_remove(at);
            self.deleted(old);
            self.inserted(new);
        }
    }

    // ---- parents --------------------------------------------------------------------------------------------

    /// New objects can be found by their keys as well, until they are written.
    pub(crate) fn index_added(&mut self) {
        self.added_keys.clear();
        for (_, index) in self.in_state(State::Pending) {
            if let Some(key) = self.slots[index as usize].value.as_ref().and_then(Model::key) {
                self.added_keys.insert(key, index);
            }
        }
    }

    /// Where the object with this key is.
    pub(crate) fn position(&self, key: &M::Key) -> Option<u32> {
        self.keys.get(key).or_else(|| self.added_keys.get(key)).copied()
    }

    pub(crate) fn links(&self, index: u32) -> &[Link] {
        &self.slots[index as usize].links
    }

    pub(crate) fn take_links(&mut self, index: u32) -> Vec<Link> {
        std::mem::take(&mut self.slots[index as usize].links)
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
        let slots = self.slots.iter().enumerate();
        let found = slots.filter(|(_, slot)| {
            matches!(slot.state, State::Pending | State::Persistent) && slot.value.as_ref().is_some_and(&holds)
        });
        found
            .map(|(index, slot)| {
                let index = u32::try_from(index).expect("slots are counted in u32");
                Entity::new(self.session, index, slot.generation)
            })
            .collect()
    }

    // ---- the end --------------------------------------------------------------------------------------------

    /// Everything is written.
    pub(crate) fn flushed(&mut self) {
        self.added_keys.clear();
        self.switched.clear();
        let slots = &self.slots;
        self.edited.retain(|&index| slots[index as usize].loaded.is_some());
    }

    /// Model and key, for errors.
    pub(crate) fn show(&self, index: u32) -> String {
        let slot = &self.slots[index as usize];
        let key = slot.key.clone().or_else(|| slot.value.as_ref().and_then(Model::key));
        match key {
            Some(key) => format!("{} {key:?}", M::NAME),
            None => format!("{} (new, no key yet)", M::NAME),
        }
    }
}

const HAS_VALUE: &str = "what is written has its value";
const WAS_EDITED: &str = "to_update() names only those";
