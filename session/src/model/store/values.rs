//! Freshness; values lent, edited, replaced, expired.

use aludel_core::Error;

use super::{Slot, State, Store, Trouble, What};
use crate::model::{Entity, Model};
use crate::session::ObjectState;

/// From which epoch on values hold. An epoch ends where all values change their freshness at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epochs {
    now: u64,
    /// Values of earlier ones are those that a commit has left.
    current_from: u64,
    /// Values of still earlier ones are expired.
    readable_from: u64,
    /// What a commit leaves is kept (`expire_on_commit=False` in SQLAlchemy).
    pub(super) keeps: bool,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            now: 1,
            current_from: 1,
            readable_from: 1,
            keeps: false,
        }
    }
}

impl Epochs {
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// All values are as a commit has left them.
    pub(super) fn leave(&mut self) {
        self.now += 1;
        self.current_from = self.now;
    }

    /// All values are to be read again.
    pub(super) fn expire(&mut self) {
        self.leave();
        self.readable_from = self.now;
    }

    /// Whether what was read in that epoch need not be read again.
    pub(super) fn hold(&self, seen: u64) -> bool {
        self.of(seen) != Freshness::Expired
    }

    fn of(&self, seen: u64) -> Freshness {
        if seen < self.readable_from {
            Freshness::Expired
        } else if seen >= self.current_from {
            Freshness::Current
        } else if self.keeps {
            Freshness::Kept
        } else {
            Freshness::Committed
        }
    }
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

/// What becomes of the object that is there already when its row arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It keeps the value that it has, unless that is old.
    Keeps,
    /// It takes the row's, unless it was edited.
    Refreshes,
    /// It takes the row's, and has what was edited on top of it.
    Rebases,
    /// It takes the row's.
    Replaces,
}

impl<M: Model> Store<M> {
    fn freshness(&self, slot: &Slot<M>) -> Freshness {
        match slot.value {
            None => Freshness::Expired,
            // Whatever was changed and is not written yet holds, come what may, and a row is deleted as it was when it was marked.
            Some(_) if matches!(slot.state, State::Pending | State::Doomed) || slot.loaded.is_some() => {
                Freshness::Current
            }
            Some(_) => self.epochs.of(slot.seen),
        }
    }

    /// The value, if it may be looked at.
    pub(crate) fn value(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, self.freshness(slot)) {
            (Some(value), Freshness::Current | Freshness::Committed | Freshness::Kept) => Ok(value),
            _ => Err(Trouble::Expired),
        }
    }

    /// The value, if it need not be read again to be looked at in this transaction.
    pub(crate) fn current(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, self.freshness(slot)) {
            (Some(value), Freshness::Current | Freshness::Kept) => Ok(value),
            _ => Err(Trouble::Expired),
        }
    }

    /// The value, if it need not be read again to be changed.
    pub(crate) fn editable(&self, entity: Entity<M>) -> Result<&M, Trouble> {
        let slot = self.usable(entity)?;
        match (&slot.value, self.freshness(slot)) {
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
    pub(crate) fn edit(&mut self, entity: Entity<M>) -> Result<&mut M, Error> {
        if let Err(trouble) = self.editable(entity) {
            return Err(self.explain(entity, trouble));
        }
        self.start_editing(entity.index);
        Ok(self.slot_at(entity.index).lent())
    }

    /// Two values at once, of two objects.
    ///
    /// # Errors
    ///
    /// With model and key, when one of them cannot be changed.
    pub(crate) fn edit_two(&mut self, first: Entity<M>, second: Entity<M>) -> Result<(&mut M, &mut M), Error> {
        self.edit(first)?;
        self.edit(second)?;
        let slots = self
            .slots
            .get_disjoint_mut([first.index as usize, second.index as usize]);
        let [first, second] = slots.expect("the caller has compared the handles, and edit() has found both");
        Ok((first.lent(), second.lent()))
    }

    /// Many values at once, in the order of the handles, of which no two name the same object.
    ///
    /// # Errors
    ///
    /// With model and key, when one of them cannot be changed; none is marked then.
    pub(crate) fn edit_many(&mut self, entities: &[Entity<M>]) -> Result<Vec<&mut M>, Error> {
        for &entity in entities {
            if let Err(trouble) = self.editable(entity) {
                return Err(self.explain(entity, trouble));
            }
        }
        for entity in entities {
            self.start_editing(entity.index);
        }
        let mut order: Vec<usize> = (0..entities.len()).collect();
        order.sort_unstable_by_key(|&at| entities[at].index);
        let mut lent: Vec<Option<&mut M>> = entities.iter().map(|_| None).collect();
        let (mut rest, mut passed) = (&mut self.slots[..], 0);
        for at in order {
            let index = entities[at].index as usize;
            let (slot, behind) = rest[index - passed..]
                .split_first_mut()
                .expect("editable() has found them all, and no two are the same");
            (rest, passed) = (behind, index + 1);
            lent[at] = Some(slot.lent());
        }
        Ok(lent.into_iter().flatten().collect())
    }

    /// Keeps the value as it was read, unless it was kept before.
    pub(super) fn start_editing(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if slot.state != State::Persistent || slot.loaded.is_some() {
            return;
        }
        if let Some(loaded) = slot.value.clone() {
            self.compare_with(index, loaded);
            self.note(index, What::Touched);
        }
    }

    /// This is the row that the value is to be compared with.
    pub(super) fn compare_with(&mut self, index: u32, loaded: M) {
        self.slot_at(index).loaded = Some(Box::new(loaded));
        self.work.edits(index);
    }

    /// What was edited is written, or is given up.
    pub(super) fn stop_editing(&mut self, index: u32) {
        if self.slots[index as usize].loaded.take().is_some() {
            self.work.has_edited();
        }
    }

    /// A row that was read: into its object if there is one, else into a new one.
    pub(crate) fn put_loaded(&mut self, key: M::Key, row: M, arrival: Arrival) -> Entity<M> {
        match self.keys.get(&key).copied() {
            Some(index) if self.slots[index as usize].state != State::Deleted => {
                self.arrive(index, row, arrival);
                self.entity(index)
            }
            known => {
                let index = self.occupy(row, State::Persistent, ObjectState::Transient);
                self.slot_at(index).key = Some(key);
                if known.is_some() {
                    // Somebody has inserted the row anew that was deleted in this transaction.
                    self.note(index, What::Added);
                }
                self.seat(index);
                self.note(index, What::Touched);
                self.entity(index)
            }
        }
    }

    fn arrive(&mut self, index: u32, row: M, arrival: Arrival) {
        let slot = &self.slots[index as usize];
        let takes = slot.state == State::Persistent
            && match arrival {
                Arrival::Keeps => self.freshness(slot) != Freshness::Current,
                Arrival::Refreshes => slot.loaded.is_none(),
                Arrival::Rebases | Arrival::Replaces => true,
            };
        if !takes {
            return;
        }
        let now = self.epochs.now();
        let slot = &mut self.slots[index as usize];
        slot.seen = now;
        if let (Arrival::Rebases, Some(value), Some(loaded)) = (arrival, &mut slot.value, &mut slot.loaded) {
            let edited = value.changes(loaded);
            let theirs = std::mem::replace(value, row.clone());
            edited.iter().for_each(|column| value.copy_column(&theirs, column));
            **loaded = row;
        } else {
            slot.value = Some(row);
            self.stop_editing(index);
            self.unlink(index);
        }
        self.note(index, What::Touched);
    }

    /// The value is to be read again, and changes that were not written are given up.
    pub(super) fn expire_at(&mut self, index: u32) {
        self.stop_editing(index);
        self.unlink(index);
        let slot = self.slot_at(index);
        slot.value = None;
        slot.seen = 0;
    }

    /// Whether what is there can be relied upon without reading it again.
    pub(super) fn holds(&self, index: u32) -> bool {
        let freshness = self.freshness(&self.slots[index as usize]);
        matches!(freshness, Freshness::Current | Freshness::Kept)
    }

    /// Whether it was read or written in this transaction, or waits to be.
    pub(super) fn is_current(&self, index: u32) -> bool {
        self.freshness(&self.slots[index as usize]) == Freshness::Current
    }

    /// The value as it is in the database, as far as is known: what somebody who has read it since would find.
    pub(crate) fn known_row(&self, entity: Entity<M>) -> Option<&M> {
        let slot = self.usable(entity).ok()?;
        let known = slot.state == State::Persistent && self.holds(entity.index);
        known.then(|| slot.loaded().or(slot.value.as_ref())).flatten()
    }

    /// Values are as a commit has left them.
    pub(crate) fn leave(&mut self) {
        self.epochs.leave();
    }

    /// Objects without changes of their own are read again.
    pub(crate) fn expire_clean(&mut self) {
        self.epochs.expire();
    }
}

impl<M: Model> Slot<M> {
    fn lent(&mut self) -> &mut M {
        self.value.as_mut().expect("editable() has seen it")
    }
}
