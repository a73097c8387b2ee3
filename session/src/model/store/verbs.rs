//! Add, attach, delete, expunge, detach.

use std::fmt;

use aludel_core::Error;

use super::{State, Store, Trouble, What};
use crate::model::{Columns, Entity, Model, Role};
use crate::session::ObjectState;

impl<M: Model> Store<M> {
    pub(crate) fn add(&mut self, value: M, sequence: u64) -> Entity<M> {
        let index = self.occupy(value, State::Pending, ObjectState::Transient);
        self.note(index, What::Added);
        self.work.adds(sequence, index, self.slots[index as usize].generation);
        self.entity(index)
    }

    /// A value of which the caller says that there is such a row.
    ///
    /// # Errors
    ///
    /// With model and key, when there is an object of it already.
    pub(crate) fn attach(&mut self, key: M::Key, value: M) -> Result<Entity<M>, Error> {
        if let Some(&index) = self.keys.get(&key)
            && self.slots[index as usize].state != State::Free
        {
            let name = M::NAME;
            let how = match self.slots[index as usize].state {
                State::Doomed | State::Deleted => "it is deleted in this session",
                _ => "get() finds it, and merge() copies into it",
            };
            return Err(Error::misuse(format!(
                "{name} (key {key:?}) cannot be attached, since this session has an object with that key already: {how}"
            )));
        }
        let index = self.occupy(value, State::Persistent, ObjectState::Detached);
        self.slot_at(index).key = Some(key);
        self.seat(index);
        self.note(index, What::Touched);
        Ok(self.entity(index))
    }

    /// Marks an object for deletion, or forgets it where it was only added.
    pub(crate) fn delete(&mut self, entity: Entity<M>, sequence: u64) -> Result<(), Trouble> {
        let index = entity.index;
        if self.usable(entity)?.state == State::Pending {
            self.vacate(index);
            return Ok(());
        }
        // Its version as it was last seen is what the DELETE compares.
        if !self.holds(index) {
            self.slot_at(index).value = None;
        }
        self.unlink(index);
        self.set_state(index, State::Doomed);
        self.note(index, What::Deleted);
        self.work.dooms(sequence, index, entity.generation);
        Ok(())
    }

    /// Has the value read again when it is next used, and gives up what was not written.
    ///
    /// # Errors
    ///
    /// When it stands for no row.
    pub(crate) fn expire(&mut self, entity: Entity<M>) -> Result<(), Error> {
        self.persistent(entity, "expired")?;
        self.expire_at(entity.index);
        Ok(())
    }

    /// Whether there is a row that an object stands for.
    ///
    /// # Errors
    ///
    /// With model and key, when there is none.
    pub(crate) fn persistent(&self, entity: Entity<M>, what: &str) -> Result<(), Error> {
        let slot = self.usable(entity).map_err(|trouble| self.explain(entity, trouble))?;
        if slot.state == State::Persistent {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "{} ({}) was added and is not written yet, so it cannot be {what}; flush() writes it",
            M::NAME,
            slot.key_in_words()
        )))
    }

    /// The object leaves, whatever its state; changes that were not written are given up, and no rollback brings it back.
    ///
    /// # Errors
    ///
    /// With model and key, when the handle names nothing.
    pub(crate) fn expunge(&mut self, entity: Entity<M>) -> Result<Option<M>, Error> {
        self.find_any(entity)?;
        Ok(self.vacate(entity.index))
    }

    /// The row of an object is gone; the object with it.
    pub(crate) fn lost(&mut self, entity: Entity<M>) {
        if self.slot(entity).is_ok() {
            self.vacate(entity.index);
        }
    }

    pub(crate) fn clear(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].state != State::Free {
                self.vacate(super::position(index));
            }
        }
        self.journal.clear();
        self.work.clear();
    }

    /// Objects that were added and are not written yet, in the order of the adds.
    pub(crate) fn pending(&self) -> Vec<Entity<M>> {
        let added = self.added().into_iter();
        added.map(|(_, index)| self.entity(index)).collect()
    }

    /// Objects that were edited since the last flush, in the order of their keys.
    pub(crate) fn dirty(&self) -> Vec<Entity<M>> {
        let edited = self.edited().into_iter();
        edited.map(|index| self.entity(index)).collect()
    }

    /// Objects that are marked for deletion, in the order of the deletes.
    pub(crate) fn marked_for_deletion(&self) -> Vec<Entity<M>> {
        let doomed = self.doomed().into_iter();
        doomed.map(|(_, index)| self.entity(index)).collect()
    }

    /// The key of the row that an object stands for.
    pub(crate) fn row_key(&self, entity: Entity<M>) -> Option<M::Key> {
        let slot = self.slot(entity).ok()?;
        let stands = slot.state != State::Pending;
        slot.key.clone().filter(|_| stands)
    }

    /// The columns that a flush would write.
    pub(crate) fn changes(&self, entity: Entity<M>) -> Result<Columns, Trouble> {
        let slot = self.slot(entity)?;
        let written = Columns::first(M::shape().columns.len()).without(M::shape().with_role(Role::ReadOnly));
        Ok(match (slot.state, &slot.value, slot.loaded()) {
            (State::Pending, ..) => written,
            (State::Persistent, Some(value), Some(loaded)) => {
                let links = self
                    .links(entity.index)
                    .map(|link| M::REFERENCES[link.reference].columns());
                let linked = links.flatten().map(|&column| Columns::one(column));
                linked.fold(value.changes(loaded), Columns::and)
            }
            _ => Columns::NONE,
        })
    }

    /// Each object in a line: model, key, state, changed columns.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, slot) in (0..).zip(&self.slots) {
            let state = match slot.state {
                State::Free => continue,
                State::Pending => "pending",
                State::Persistent if !self.holds(index) => "persistent, to be read again",
                State::Persistent => "persistent",
                State::Doomed => "to be deleted",
                State::Deleted => "deleted",
            };
            match slot.key.clone().or_else(|| slot.value.as_ref().and_then(Model::key)) {
                Some(key) => write!(f, "{} {key:?}: {state}", M::NAME)?,
                None => write!(f, "{} (no key yet): {state}", M::NAME)?,
            }
            let changed = match slot.state {
                State::Persistent => self.changes(self.entity(index)).unwrap_or_default(),
                _ => Columns::NONE,
            };
            let names: Vec<&str> = changed.iter().map(|column| M::shape().columns[column].name).collect();
            if names.is_empty() {
                writeln!(f)?;
            } else {
                writeln!(f, ", changed: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}
