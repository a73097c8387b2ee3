//! From a handle, or a key, to a place; and the words for a handle that cannot be used.

use aludel_core::{Error, ErrorKind};

use super::{Lookup, Slot, State, Store};
use crate::model::{Entity, Model};

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

impl<M: Model> Store<M> {
    pub(super) fn slot(&self, entity: Entity<M>) -> Result<&Slot<M>, Trouble> {
        if entity.session != self.session {
            return Err(Trouble::Foreign);
        }
        match self.slots.get(entity.index as usize) {
            Some(slot) if slot.generation == entity.generation && slot.state != State::Free => Ok(slot),
            _ => Err(Trouble::Stale),
        }
    }

    pub(super) fn usable(&self, entity: Entity<M>) -> Result<&Slot<M>, Trouble> {
        let slot = self.slot(entity)?;
        match slot.state {
            State::Doomed | State::Deleted => Err(Trouble::Deleted),
            _ => Ok(slot),
        }
    }

    /// Whether a handle names an object that is there and not deleted.
    ///
    /// # Errors
    ///
    /// With model and key, when it does not.
    pub(crate) fn find(&self, entity: Entity<M>) -> Result<(), Error> {
        self.usable(entity)
            .map(drop)
            .map_err(|trouble| self.explain(entity, trouble))
    }

    /// Whether a handle names an object that is there, deleted or not.
    ///
    /// # Errors
    ///
    /// With model and key, when it does not.
    pub(crate) fn find_any(&self, entity: Entity<M>) -> Result<(), Error> {
        self.slot(entity)
            .map(drop)
            .map_err(|trouble| self.explain(entity, trouble))
    }

    /// The state of what a handle names; none for what is not there.
    pub(crate) fn state(&self, entity: Entity<M>) -> Option<State> {
        self.slot(entity).ok().map(|slot| slot.state)
    }

    /// The error for a handle, with model and key.
    pub(crate) fn explain(&self, entity: Entity<M>, trouble: Trouble) -> Error {
        let name = M::NAME;
        let key = self.key_in_words(entity);
        let text = match trouble {
            Trouble::Foreign => format!("this handle to {name} belongs to another session; each session has its own"),
            Trouble::Stale => format!(
                "this handle to {name} ({key}) names nothing any more: its object was rolled back, deleted, expunged or \
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

    fn key_in_words(&self, entity: Entity<M>) -> String {
        let slot = self.slots.get(entity.index as usize);
        let slot = slot.filter(|slot| {
            let is = slot.generation == entity.generation;
            // The one before, whose place nobody has taken yet.
            let was = slot.state == State::Free && Some(slot.generation) == entity.generation.checked_add(1);
            entity.session == self.session && (is || was)
        });
        match slot {
            Some(slot) => slot.key_in_words(),
            None => "key no longer known".to_owned(),
        }
    }

    pub(crate) fn lookup(&self, key: &M::Key) -> Lookup<M> {
        let Some(&index) = self.keys.get(key) else {
            return Lookup::Unknown;
        };
        match self.slots[index as usize].state {
            State::Doomed => Lookup::Deleted,
            State::Deleted => Lookup::Unknown,
            _ => Lookup::Known(self.entity(index)),
        }
    }

    /// The key of the row, or the one that it will have.
    pub(crate) fn key(&self, entity: Entity<M>) -> Result<Option<M::Key>, Trouble> {
        Ok(self.slot(entity)?.known_key())
    }
}

impl<M: Model> Slot<M> {
    /// The key of its row, or the one that it will have.
    pub(super) fn known_key(&self) -> Option<M::Key> {
        self.key.clone().or_else(|| self.value.as_ref().and_then(Model::key))
    }

    pub(super) fn key_in_words(&self) -> String {
        self.known_key()
            .map_or_else(|| "no key yet".to_owned(), |key| format!("key {key:?}"))
    }
}
