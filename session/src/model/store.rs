//! The objects of one model in one session.
//!
//! | State | What it is | Exits |
//! |---|---|---|
//! | `Pending` | added, not yet written | flush → `Persistent`; delete, rollback → `Free` |
//! | `Persistent` | stands for a row | delete → `Doomed`; its row found missing → `Free`; rollback of the transaction that inserted it → `Free` |
//! | `Doomed` | marked for deletion, not yet written | flush → `Deleted`; rollback → `Persistent` |
//! | `Deleted` | its row is deleted in this transaction | commit → `Free`; rollback → `Persistent` |
//! | `Free` | no object; the next one in this place has another generation | add, load → `Pending`, `Persistent` |
//!
//! Beside its state an object has a freshness: its value is that of this transaction, or the one that the last commit
//! left behind, or one that an earlier commit has left and that is kept, or expired and to be read again.

mod flush;

use std::collections::HashMap;

use aludel_core::{Error, ErrorKind};

use super::{Entity, Model};
use crate::transaction::scope::Change;
use crate::unit_of_work::Place;

/// The objects of one model.
pub(crate) struct Store<M: Model> {
    session: u64,
    slots: Vec<Slot<M>>,
    keys: HashMap<M::Key, u32>,
    free: Vec<u32>,
    /// Objects that were edited since the last flush.
    edited: Vec<u32>,
    /// During a flush: new objects by their keys, where their order depends on it.
    added_keys: HashMap<M::Key, u32>,
    /// During a flush: a new object, and the deleted one whose row it takes over.
    switched: Vec<(u32, u32)>,
}

/// A parent that had no key when it was given to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Which foreign key of the child's model.
    pub(crate) reference: usize,
    pub(crate) parent: Place,
    pub(crate) generation: u32,
}

pub(super) struct Slot<M: Model> {
    generation: u32,
    pub(super) state: State,
    pub(super) freshness: Freshness,
    /// The key, once it is known; it stays when the value is gone, to be named in errors.
    pub(super) key: Option<M::Key>,
    pub(super) value: Option<M>,
    /// The value as it was read, once it was edited.
    pub(super) loaded: Option<M>,
    /// Savepoint depth at which the row was inserted in this transaction.
    inserted_at: Option<usize>,
    /// Depth at which it was marked for deletion.
    deleted_at: Option<usize>,
    /// Deepest depth at which its value was read or edited in this transaction.
    edited_at: Option<usize>,
    /// Order of the adds and deletes of all models, which is the order of their statements.
    pub(super) sequence: u64,
    /// Parents that had no key yet.
    links: Vec<Link>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Pending,
    Persistent,
    Doomed,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Read or written in this transaction.
    Current,
    /// What the last commit left behind; good to look at until the next transaction begins.
    Committed,
    /// What a commit left behind where none expires anything; good to look at, and to be changed only where a version tells
    /// whether it is still what is there.
    Kept,
    /// To be read again.
    Expired,
}

/// Why a handle cannot be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The handle belongs to another session.
    Foreign,
    /// The object has left the session.
    Stale,
    /// The object is deleted, or about to be.
    Deleted,
    /// The value must be read again first.
    Expired,
}

/// What the map knows of a key.
pub(crate) enum Lookup<M> {
    /// Nothing.
    Unknown,
    /// An object, to be read again if it is expired.
    Known(Entity<M>),
    /// An object that is deleted, or about to be.
    Deleted,
}

impl<M: Model> Store<M> {
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            slots: Vec::new(),
            keys: HashMap::new(),
            free: Vec::new(),
            edited: Vec::new(),
            added_keys: HashMap::new(),
            switched: Vec::new(),
        }
    }

    // ---- handles ------------------------------------------------------------------------------------------------

    fn occupy(&mut self, value: M, state: State, sequence: u64, depth: usize) -> Entity<M> {
        let key = if state == State::Persistent { value.key() } else { None };
        let pending = state == State::Pending;
        let slot = Slot {
            generation: 0,
            state,
            freshness: Freshness::Current,
            key: key.clone(),
            value: Some(value),
            loaded: None,
            inserted_at: pending.then_some(depth),
            deleted_at: None,
            edited_at: None,
            sequence,
            links: Vec::new(),
        };
        let index = if let Some(index) = self.free.pop() {
            let generation = self.slots[index as usize].generation;
            self.slots[index as usize] = Slot { generation, ..slot };
            index
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("a session holds fewer than four thousand million objects")
        };
        if let Some(key) = key {
            self.keys.insert(key, index);
        }
        Entity::new(self.session, index, self.slots[index as usize].generation)
    }

    fn vacate(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if let Some(key) = &slot.key
            && self.keys.get(key) == Some(&index)
        {
            self.keys.remove(key);
        }
        slot.state = State::Free;
        slot.value = None;
        slot.loaded = None;
        // A generation that has come full circle could be mistaken for an old one: such a place is never used again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(index);
        }
    }

    fn slot(&self, entity: Entity<M>) -> Result<&Slot<M>, Trouble> {
        if entity.session != self.session {
            return Err(Trouble::Foreign);
        }
        match self.slots.get(entity.index as usize) {
            Some(slot) if slot.generation == entity.generation && slot.state != State::Free => Ok(slot),
            _ => Err(Trouble::Stale),
        }
    }

    fn slot_mut(&mut self, entity: Entity<M>) -> Result<&mut Slot<M>, Trouble> {
        self.slot(entity)?;
        Ok(&mut self.slots[entity.index as usize])
    }

    fn usable(&self, entity: Entity<M>) -> Result<&Slot<M>, Trouble> {
        let slot = self.slot(entity)?;
        match slot.state {
            State::Doomed | State::Deleted => Err(Trouble::Deleted),
            _ => Ok(slot),
        }
    }

    /// Whether a handle names an object that is there.
    pub(crate) fn find(&self, entity: Entity<M>) -> Result<(), Trouble> {
        self.usable(entity).map(drop)
    }

    /// The error for a handle, with model and key.
    pub(crate) fn explain(&self, entity: Entity<M>, trouble: Trouble) -> Error {
        let key = match self.slots.get(entity.index as usize) {
            Some(slot) if slot.generation == entity.generation && entity.session == self.session => slot
                .key
                .as_ref()
                .map_or_else(|| "no key yet".to_owned(), |key| format!("key {key:?}")),
            _ => "key no longer known".to_owned(),
        };
        let name = M::NAME;
        let text = match trouble {
            Trouble::Foreign => format!("this handle to {name} belongs to another session; each session has its own"),
            Trouble::Stale => format!(
                "this handle to {name} ({key}) names nothing any more: its object was rolled back, deleted or \
                 forgotten with its session's close(); get it again by its key"
            ),
            Trouble::Deleted => format!("{name} ({key}) is deleted in this session"),
            Trouble::Expired => format!(
                "{name} ({key}) may have changed since it was read, in an earlier transaction or by a statement beside it; \
                 session.read(handle)? or session.edit(handle)? reads it again"
            ),
        };
        Error::object(ErrorKind::StaleEntity, text)
    }

    // ---- values -------------------------------------------------------------------------------------------------

    /// The value, if it may be looked at.
    pub(crate) fn value(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, slot.freshness) {
            (Some(value), Freshness::Current | Freshness::Committed | Freshness::Kept) => Ok(value),
            _ => Err(Trouble::Expired),
        }
    }

    /// The value, if it need not be read again to be looked at in this transaction.
    pub(crate) fn current(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, slot.freshness) {
            (Some(value), Freshness::Current | Freshness::Kept) => Ok(value),
            _ => Err(Trouble::Expired),
        }
    }

    /// The value, if it need not be read again to be changed.
    pub(crate) fn editable(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, slot.freshness) {
            (Some(value), Freshness::Current) => Ok(value),
            // An UPDATE finds out whether somebody else has changed it.
            (Some(value), Freshness::Kept) if M::shape().version.is_some() => Ok(value),
            _ => Err(Trouble::Expired),
        }
    }

    /// The value, to be changed: the one that was read is kept beside it.
    ///
    /// # Errors
    ///
    /// With model and key, when it cannot be.
    pub(crate) fn edit(&mut self, entity: Entity<M>, depth: usize) -> Result<&mut M, Error> {
        if let Err(trouble) = self.editable(entity) {
            return Err(self.explain(entity, trouble));
        }
        self.mark_edited(entity, depth);
        Ok(self.slots[entity.index as usize]
            .value
            .as_mut()
            .expect("editable() has seen it"))
    }

    /// Two values at once, of two objects.
    ///
    /// # Errors
    ///
    /// With model and key, when one of them cannot be changed.
    pub(crate) fn edit_two(
        &mut self,
        first: Entity<M>,
        second: Entity<M>,
        depth: usize,
    ) -> Result<(&mut M, &mut M), Error> {
        self.edit(first, depth)?;
        self.edit(second, depth)?;
        let slots = self
            .slots
            .get_disjoint_mut([first.index as usize, second.index as usize]);
        let [first, second] = slots.expect("the caller has compared the handles, and edit() has found both");
        let seen = "edit() has seen it";
        Ok((first.value.as_mut().expect(seen), second.value.as_mut().expect(seen)))
    }

    fn mark_edited(&mut self, entity: Entity<M>, depth: usize) {
        let slot = &mut self.slots[entity.index as usize];
        slot.edited_at = slot.edited_at.max(Some(depth));
        if slot.state == State::Persistent && slot.loaded.is_none() {
            slot.loaded.clone_from(&slot.value);
            self.edited.push(entity.index);
        }
    }

    pub(crate) fn lookup(&self, key: &M::Key) -> Lookup<M> {
        let Some(&index) = self.keys.get(key) else {
            return Lookup::Unknown;
        };
        let slot = &self.slots[index as usize];
        match slot.state {
            State::Doomed | State::Deleted => Lookup::Deleted,
            _ => Lookup::Known(Entity::new(self.session, index, slot.generation)),
        }
    }

    pub(crate) fn key(&self, entity: Entity<M>) -> Result<Option<M::Key>, Trouble> {
        let slot = self.slot(entity)?;
        Ok(slot.key.clone().or_else(|| slot.value.as_ref().and_then(Model::key)))
    }

    // ---- verbs --------------------------------------------------------------------------------------------------

    pub(crate) fn add(&mut self, value: M, sequence: u64, depth: usize) -> Entity<M> {
        self.occupy(value, State::Pending, sequence, depth)
    }

    /// A row that was read: into its object if there is one, else into a new one.
    pub(crate) fn put_loaded(&mut self, key: M::Key, value: M, depth: usize) -> Entity<M> {
        if let Some(&index) = self.keys.get(&key) {
            let slot = &mut self.slots[index as usize];
            if slot.freshness != Freshness::Current {
                slot.value = Some(value);
                slot.loaded = None;
                slot.freshness = Freshness::Current;
                slot.edited_at = Some(depth);
            }
            return Entity::new(self.session, index, slot.generation);
        }
        let entity = self.occupy(value, State::Persistent, 0, 0);
        let slot = &mut self.slots[entity.index as usize];
        slot.key = Some(key.clone());
        slot.edited_at = Some(depth);
        self.keys.insert(key, entity.index);
        entity
    }

    /// The row of an object is gone; the object with it.
    pub(crate) fn lost(&mut self, entity: Entity<M>) {
        self.vacate(entity.index);
    }

    pub(crate) fn delete(&mut self, entity: Entity<M>, sequence: u64, depth: usize) -> Result<(), Trouble> {
        self.usable(entity)?;
        let slot = self.slot_mut(entity)?;
        if slot.state == State::Pending {
            self.vacate(entity.index);
        } else {
            slot.state = State::Doomed;
            slot.deleted_at = Some(depth);
            slot.sequence = sequence;
        }
        Ok(())
    }

    /// An insert has succeeded: the key is known now.
    pub(crate) fn inserted(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.state = State::Persistent;
        slot.freshness = Freshness::Current;
        slot.key = slot.value.as_ref().and_then(Model::key);
        if let Some(key) = slot.key.clone() {
            self.keys.insert(key, index);
        }
    }

    /// An update has changed the key.
    pub(crate) fn key_changed(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let key = slot.value.as_ref().and_then(Model::key);
        if let Some(old) = std::mem::replace(&mut slot.key, key.clone()) {
            self.keys.remove(&old);
        }
        if let Some(key) = key {
            self.keys.insert(key, index);
        }
    }

    /// An update has succeeded, or was not needed.
    pub(crate) fn updated(&mut self, index: u32) {
        self.slots[index as usize].loaded = None;
    }

    pub(crate) fn deleted(&mut self, index: u32) {
        self.slots[index as usize].state = State::Deleted;
    }

    // ---- what a flush has to do -------------------------------------------------------------------------------

    pub(crate) fn in_state(&self, state: State) -> Vec<(u64, u32)> {
        let indexes = self.slots.iter().enumerate().filter(|(_, slot)| slot.state == state);
        indexes
            .map(|(index, slot)| (slot.sequence, u32::try_from(index).expect("slots are counted in u32")))
            .collect()
    }

    // ---- transactions -----------------------------------------------------------------------------------------

    /// `keeps` says that a commit leaves values as they are.
    pub(super) fn follow(&mut self, change: Change, keeps: bool) {
        match change {
            Change::Beginning => self.each(|slot| {
                if slot.state != State::Pending && slot.freshness != Freshness::Kept {
                    slot.expire();
                }
                Keep::Yes
            }),
            Change::Committed => self.committed(keeps),
            // It was ended with COMMIT, and had only read.
            Change::Superseded if keeps => self.committed(keeps),
            Change::NotBegun | Change::Begun | Change::Savepoint(_) => {}
            Change::RolledBack
            | Change::Unknown
            | Change::Abandoned
            | Change::Closed
            | Change::Forgotten
            | Change::Superseded => self.each(|slot| {
                if slot.inserted_at.is_some() {
                    return Keep::No;
                }
                slot.revive();
                slot.expire();
                slot.forget_depths();
                Keep::Yes
            }),
            Change::RolledBackTo(depth) => self.each(|slot| {
                if slot.inserted_at >= Some(depth) {
                    return Keep::No;
                }
                if slot.deleted_at >= Some(depth) {
                    slot.revive();
                    slot.expire();
                }
                if slot.edited_at >= Some(depth) {
                    slot.expire();
                    slot.edited_at = None;
                }
                Keep::Yes
            }),
            Change::Released(depth) => self.each(|slot| {
                for mark in [&mut slot.inserted_at, &mut slot.deleted_at, &mut slot.edited_at] {
                    *mark = mark.map(|at| at.min(depth - 1));
                }
                Keep::Yes
            }),
        }
        if change.undoes() {
            self.reclaim_keys();
        }
    }

    fn committed(&mut self, keeps: bool) {
        let left = if keeps { Freshness::Kept } else { Freshness::Committed };
        self.each(|slot| {
            if slot.state == State::Deleted {
                return Keep::No;
            }
            if slot.freshness == Freshness::Current {
                slot.freshness = left;
            }
            slot.forget_depths();
            Keep::Yes
        });
    }

    /// An object that was deleted and whose key another one had taken has its key again, now that the other one is gone.
    fn reclaim_keys(&mut self) {
        for (index, slot) in self.slots.iter().enumerate() {
            if let (Some(key), true) = (&slot.key, slot.state != State::Free)
                && !self.keys.contains_key(key)
            {
                let index = u32::try_from(index).expect("slots are counted in u32");
                self.keys.insert(key.clone(), index);
            }
        }
    }

    fn each(&mut self, mut visit: impl FnMut(&mut Slot<M>) -> Keep) {
        let mut leaving = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.state != State::Free && visit(slot) == Keep::No {
                leaving.push(u32::try_from(index).expect("slots are counted in u32"));
            }
        }
        for index in leaving {
            self.vacate(index);
        }
    }

    /// Objects without changes of their own are read again.
    pub(super) fn expire_clean(&mut self) {
        self.each(|slot| {
            if slot.state == State::Persistent && slot.loaded.is_none() {
                slot.expire();
            }
            Keep::Yes
        });
    }

    pub(super) fn clear(&mut self) {
        self.each(|_| Keep::No);
        self.edited.clear();
    }

    /// Whether a flush may find something to write.
    pub(super) fn is_pending(&self) -> bool {
        let unwritten = |slot: &Slot<M>| matches!(slot.state, State::Pending | State::Doomed);
        !self.edited.is_empty() || self.slots.iter().any(unwritten)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state != State::Free).count()
    }
}

#[derive(PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

impl<M: Model> Slot<M> {
    fn expire(&mut self) {
        self.freshness = Freshness::Expired;
        self.value = None;
        self.loaded = None;
    }

    fn revive(&mut self) {
        if matches!(self.state, State::Doomed | State::Deleted) {
            self.state = State::Persistent;
            self.deleted_at = None;
        }
    }

    fn forget_depths(&mut self) {
        self.inserted_at = None;
        self.deleted_at = None;
        self.edited_at = None;
    }
}
