//! What transactions and savepoints do to objects when they end.
//!
//! | | commit | release | rollback of the root | rollback to a savepoint |
//! |---|---|---|---|---|
//! | added, inserted | stays | is the outer level's | leaves | leaves, if added since |
//! | deleted, marked for it | leaves | is the outer level's | comes back | comes back, if marked since |
//! | key changed | stays | is the outer level's | has its old key | has its old key, if changed since |
//! | values | are looked at until the next transaction, or kept | hold | are read again, all | are read again, if read or changed since |
//!
//! What happens to an object is written into a journal with its depth, and undone from its end. An object that was added and
//! deleted is new first and then deleted, so it comes back and leaves: *new* wins. The journal is as long as what was done in the
//! transaction, however many objects there are.

use super::{State, Store};
use crate::model::Model;
use crate::session::ObjectState;
use crate::transaction::scope::Change;

/// What has happened in this transaction.
#[derive(Debug)]
pub(super) struct Journal<K> {
    /// Depths never descend.
    entries: Vec<Entry>,
    /// The old ones of [`What::KeyChanged`].
    keys: Vec<K>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    index: u32,
    generation: u32,
    depth: u32,
    what: What,
}

/// What can be undone of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It was added.
    Added,
    /// It was marked for deletion.
    Deleted,
    /// Its value was read or changed; written down inside of savepoints only, since the root's rollback expires all values.
    Touched,
    /// Its key was another.
    KeyChanged,
    /// Its key leads to another object now.
    Displaced,
}

impl<K> Default for Journal<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            keys: Vec::new(),
        }
    }
}

impl<K> Journal<K> {
    pub(super) fn note(&mut self, index: u32, generation: u32, depth: u32, what: What) {
        if what == What::Touched && (depth == 0 || self.has_just_noted(index, depth)) {
            return;
        }
        self.entries.push(Entry {
            index,
            generation,
            depth,
            what,
        });
    }

    fn has_just_noted(&self, index: u32, depth: u32) -> bool {
        self.entries
            .last()
            .is_some_and(|last| (last.index, last.depth, last.what) == (index, depth, What::Touched))
    }

    pub(super) fn note_key(&mut self, index: u32, generation: u32, depth: u32, old: K) {
        self.keys.push(old);
        self.note(index, generation, depth, What::KeyChanged);
    }

    /// The last entry of this depth or a deeper one.
    fn take_last(&mut self, depth: u32) -> Option<Entry> {
        self.entries.pop_if(|last| last.depth >= depth)
    }

    /// What belongs to this depth and deeper ones belongs to the one around them.
    fn lower(&mut self, depth: u32) {
        let from = self.entries.partition_point(|entry| entry.depth < depth);
        for entry in &mut self.entries[from..] {
            entry.depth = depth - 1;
        }
        if depth == 1 {
            self.entries.retain(|entry| entry.what != What::Touched);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.keys.clear();
    }

    pub(super) fn is_ordered(&self) -> bool {
        let keys = self.entries.iter().filter(|entry| entry.what == What::KeyChanged);
        self.entries.is_sorted_by_key(|entry| entry.depth) && keys.count() == self.keys.len()
    }
}

impl<M: Model> Store<M> {
    /// `keeps` says that a commit leaves values as they are.
    pub(crate) fn follow(&mut self, change: Change, keeps: bool) {
        self.epochs.keeps = keeps;
        self.depth = change.depth_after(self.depth);
        match change {
            Change::Beginning if keeps => self.epochs.leave(),
            Change::Beginning => self.epochs.expire(),
            Change::Committed => self.committed(),
            // It was ended with COMMIT, and had only read.
            Change::Superseded if keeps => self.committed(),
            Change::NotBegun | Change::Begun | Change::Savepoint(_) => {}
            Change::RolledBack
            | Change::Unknown
            | Change::Abandoned
            | Change::Closed
            | Change::Forgotten
            | Change::Superseded => self.rolled_back(),
            Change::RolledBackTo(_) => self.undo(self.depth + 1),
            Change::Released(_) => self.journal.lower(self.depth + 1),
        }
    }

    fn committed(&mut self) {
        let mut journal = std::mem::take(&mut self.journal);
        for entry in journal.entries.drain(..) {
            match (self.state_of(entry), entry.what) {
                (Some(State::Deleted), _) => drop(self.vacate(entry.index)),
                // What waits for a flush still waits.
                (Some(State::Pending), What::Added) | (Some(State::Doomed), What::Deleted) => {
                    self.journal.note(entry.index, entry.generation, 0, entry.what);
                }
                _ => {}
            }
        }
        self.epochs.leave();
    }

    fn rolled_back(&mut self) {
        self.undo(0);
        let edited = self.work.listed_as_edited().to_vec();
        for index in edited {
            self.stop_editing(index);
        }
        self.work.clear();
        self.links.clear();
        self.epochs.expire();
    }

    fn undo(&mut self, depth: u32) {
        let mut others = Vec::new();
        while let Some(entry) = self.journal.take_last(depth) {
            let old_key = (entry.what == What::KeyChanged)
                .then(|| self.journal.keys.pop())
                .flatten();
            let Some(state) = self.state_of(entry) else { continue };
            let index = entry.index;
            match entry.what {
                What::Added => drop(self.vacate_as(index, ObjectState::Transient)),
                What::Deleted if matches!(state, State::Doomed | State::Deleted) => {
                    self.expire_at(index);
                    self.set_state(index, State::Persistent);
                    others.extend(self.reseat(index));
                }
                What::Deleted => {}
                What::Touched => self.expire_at(index),
                What::KeyChanged => {
                    self.unseat(index);
                    self.slot_at(index).key = old_key;
                    others.extend(self.reseat(index));
                    self.expire_at(index);
                }
                What::Displaced => others.extend(self.reseat(index)),
            }
        }
        for other in others {
            self.leave_unless_seated(other);
        }
    }

    /// Its key leads to it again, and no longer to that other one.
    fn reseat(&mut self, index: u32) -> Option<u32> {
        let key = self.slots[index as usize].key.clone()?;
        self.keys.insert(key, index).filter(|&other| other != index)
    }

    /// An object whose row was read since, and is that of one which is back, or of none.
    fn leave_unless_seated(&mut self, index: u32) {
        let slot = &self.slots[index as usize];
        let stands = matches!(slot.state, State::Persistent | State::Doomed);
        let is_seated = slot.key.as_ref().is_some_and(|key| self.keys.get(key) == Some(&index));
        if stands && !is_seated {
            self.vacate_as(index, ObjectState::Transient);
        }
    }

    /// The state of what an entry is about, if it is still there.
    fn state_of(&self, entry: Entry) -> Option<State> {
        let slot = &self.slots[entry.index as usize];
        (slot.generation == entry.generation && slot.state != State::Free).then_some(slot.state)
    }

    pub(super) fn journal_is_ordered(&self) -> bool {
        self.journal.is_ordered()
    }
}
