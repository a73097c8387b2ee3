//! The objects of one model in one session.
//!
//! | State | What it is | Exits |
//! |---|---|---|
//! | `Pending` | added, not yet written | flush → `Persistent`; delete, expunge, rollback → `Free` |
//! | `Persistent` | stands for a row | delete → `Doomed`; its row found missing, expunge → `Free`; rollback of what has inserted it → `Free` |
//! | `Doomed` | marked for deletion, not yet written | flush → `Deleted`; rollback → `Persistent`; expunge → `Free` |
//! | `Deleted` | its row is deleted in this transaction | commit, expunge → `Free`; rollback → `Persistent` |
//! | `Free` | no object; the next one in this place has another generation | add → `Pending`; load, attach → `Persistent` |
//!
//! Beside its state an object has a [`Freshness`]: its value is that of this transaction, or the one that the last commit
//! left behind, or one that an earlier commit has left and that is kept, or expired and to be read again. Nobody visits the
//! objects to change it: a value knows the epoch in which it was read, and the store from which epoch on values hold.
//!
//! | File | What happens there |
//! |---|---|
//! | `handles` | from a handle, or a key, to a place; the words for a handle that cannot be used |
//! | `values` | freshness; values lent, edited, replaced, expired |
//! | `verbs` | add, attach, delete, expunge, detach |
//! | `work` | what waits for a flush |
//! | `flush` | what a flush sees of it, and reports |
//! | `links` | parents that have no key yet |
//! | `undo` | what transactions and savepoints do to objects when they end |
//! | `witness` | what those who listen are told |
//! | `invariants` | what holds after each step |

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::{Entity, Model};
use crate::session::ObjectState;

mod flush;
mod handles;
mod invariants;
mod links;
#[cfg(test)]
mod tests;
mod undo;
mod values;
mod verbs;
mod witness;
mod work;

pub(crate) use handles::Trouble;
pub(crate) use links::Link;
pub(crate) use values::Arrival;
pub(crate) use witness::{Changed, Witness};

use links::Links;
use undo::{Journal, What};
use values::Epochs;
use work::Work;

/// Places that stay empty before the first of them is used again. More have handles to what has left name its key for longer,
/// fewer save the places.
const LINGERING: usize = 256;

/// The objects of one model.
pub(crate) struct Store<M: Model> {
    session: u64,
    slots: Vec<Slot<M>>,
    /// Where the object with this key is, if its row was read or written.
    keys: HashMap<M::Key, u32, RandomState>,
    /// During a flush: new objects by their keys, where their order depends on it.
    added_keys: HashMap<M::Key, u32, RandomState>,
    /// During a flush: a new object, and the deleted one whose row it takes over.
    switched: HashMap<u32, u32>,
    /// Empty places, the longest empty first.
    free: VecDeque<u32>,
    epochs: Epochs,
    /// How many savepoints are open.
    depth: u32,
    work: Work,
    journal: Journal<M::Key>,
    links: Links,
    /// Where changes of states are written down, while somebody listens.
    witness: Option<Witness>,
}

pub(super) struct Slot<M: Model> {
    generation: u32,
    state: State,
    /// The epoch in which its value was read or written; 0 for one that is expired by itself.
    seen: u64,
    /// The key of its row, once there is one; it stays when the object has left, to be named in errors.
    pub(super) key: Option<M::Key>,
    pub(super) value: Option<M>,
    /// The value as it was read, once it was edited.
    loaded: Option<Box<M>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Pending,
    Persistent,
    Doomed,
    Deleted,
}

/// What the map knows of a key.
pub(crate) enum Lookup<M> {
    /// Nothing, or that its row was deleted in this transaction, since when somebody may have inserted another.
    Unknown,
    /// An object, to be read again if it is expired.
    Known(Entity<M>),
    /// An object that is about to be deleted.
    Deleted,
}

impl<M: Model> Store<M> {
    pub(super) fn new(session: u64, depth: u32) -> Self {
        Self {
            session,
            slots: Vec::new(),
            keys: HashMap::default(),
            added_keys: HashMap::default(),
            switched: HashMap::new(),
            free: VecDeque::new(),
            epochs: Epochs::default(),
            depth,
            work: Work::default(),
            journal: Journal::default(),
            links: Links::default(),
            witness: None,
        }
    }

    fn set_state(&mut self, index: u32, state: State) {
        self.change_state(index, state, ObjectState::Detached);
    }

    /// The one place where a state is written. Of what enters or leaves, `outside` is what it was before, or is from now on.
    fn change_state(&mut self, index: u32, state: State, outside: ObjectState) {
        let before = std::mem::replace(&mut self.slots[index as usize].state, state);
        self.work.left(before);
        self.work.entered(state);
        self.tell_state(index, before, state, outside);
    }

    /// Puts an object into an empty place.
    fn occupy(&mut self, value: M, state: State, before: ObjectState) -> u32 {
        let seen = self.epochs.now();
        let reused = (self.free.len() > LINGERING).then(|| self.free.pop_front()).flatten();
        let index = reused.unwrap_or_else(|| {
            u32::try_from(self.slots.len()).expect("a session holds fewer than four thousand million objects")
        });
        let slot = Slot {
            generation: 0,
            state: State::Free,
            seen,
            key: None,
            value: Some(value),
            loaded: None,
        };
        match self.slots.get_mut(index as usize) {
            Some(place) => {
                *place = Slot {
                    generation: place.generation,
                    ..slot
                };
            }
            None => self.slots.push(slot),
        }
        self.change_state(index, state, before);
        index
    }

    /// The object leaves; handles to it are stale from now on.
    fn vacate(&mut self, index: u32) -> Option<M> {
        let outside = match self.slots[index as usize].state {
            State::Pending => ObjectState::Transient,
            _ => ObjectState::Detached,
        };
        self.vacate_as(index, outside)
    }

    fn vacate_as(&mut self, index: u32, outside: ObjectState) -> Option<M> {
        self.stop_editing(index);
        self.unlink(index);
        self.unseat(index);
        self.change_state(index, State::Free, outside);
        let slot = &mut self.slots[index as usize];
        let value = slot.value.take();
        if slot.key.is_none() {
            slot.key = value.as_ref().and_then(Model::key);
        }
        // A generation that has come full circle could be mistaken for an old one: such a place is never used again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push_back(index);
        }
        value
    }

    /// The object is the one with its key from now on. Whoever was before has the key again if this is undone.
    fn seat(&mut self, index: u32) -> Option<u32> {
        let key = self.slots[index as usize].key.clone()?;
        let other = self.keys.insert(key, index).filter(|&other| other != index)?;
        self.note(other, What::Displaced);
        Some(other)
    }

    /// The same for an object whose row is new: that of whoever was before was deleted in this transaction, if not by the session
    /// then by a statement beside it.
    fn seat_new(&mut self, index: u32) {
        if let Some(other) = self.seat(index)
            && self.slots[other as usize].state != State::Deleted
        {
            self.deleted(other);
            self.note(other, What::Deleted);
        }
    }

    /// The key leads nowhere, if it has led to this object.
    fn unseat(&mut self, index: u32) {
        if let Some(key) = &self.slots[index as usize].key
            && self.keys.get(key) == Some(&index)
        {
            self.keys.remove(key);
        }
    }

    fn note(&mut self, index: u32, what: What) {
        let generation = self.slots[index as usize].generation;
        self.journal.note(index, generation, self.depth, what);
    }

    fn entity(&self, index: u32) -> Entity<M> {
        Entity::new(self.session, index, self.slots[index as usize].generation)
    }

    pub(super) fn slot_at(&mut self, index: u32) -> &mut Slot<M> {
        &mut self.slots[index as usize]
    }

    /// Handles to all objects of which this holds, in the order of their places.
    fn handles_in(&self, is: impl Fn(u32, &Slot<M>) -> bool) -> Vec<Entity<M>> {
        let places = (0..).zip(&self.slots).filter(|(index, slot)| is(*index, slot));
        places
            .map(|(index, slot)| Entity::new(self.session, index, slot.generation))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state != State::Free).count()
    }
}

impl<M: Model> Slot<M> {
    /// The value as it was read, if it was edited since.
    pub(super) fn loaded(&self) -> Option<&M> {
        self.loaded.as_deref()
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).expect("places are counted in u32")
}
