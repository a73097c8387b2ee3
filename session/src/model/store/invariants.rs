//! What holds after each step.

use std::collections::HashSet;

use super::work::Waiting;
use super::{State, Store, position};
use crate::model::Model;

impl<M: Model> Store<M> {
    /// # Panics
    ///
    /// When one does not hold.
    pub(crate) fn assert_invariants(&self) {
        self.assert_keys();
        self.assert_places();
        self.assert_work();
        assert!(self.journal_is_ordered(), "{}: the journal is out of order", M::NAME);
    }

    /// A key leads to an object with that key; that of an object that stands for a row leads to it, or to a later one.
    fn assert_keys(&self) {
        for (key, &index) in &self.keys {
            let slot = &self.slots[index as usize];
            let stands = matches!(slot.state, State::Persistent | State::Doomed | State::Deleted);
            assert!(
                stands && slot.key.as_ref() == Some(key),
                "{} {key:?} leads to place {index}, which is {:?} with key {:?}",
                M::NAME,
                slot.state,
                slot.key
            );
        }
        for (index, slot) in self.slots.iter().enumerate() {
            if !matches!(slot.state, State::Persistent | State::Doomed) {
                continue;
            }
            let key = slot.key.as_ref().expect("what stands for a row has its key");
            assert!(
                self.keys.contains_key(key),
                "{} {key:?} is {:?} in place {index}, and its key leads nowhere",
                M::NAME,
                slot.state
            );
        }
    }

    fn assert_places(&self) {
        let mut free = HashSet::new();
        for &index in &self.free {
            assert!(free.insert(index), "{}: place {index} is free twice", M::NAME);
            assert_eq!(self.slots[index as usize].state, State::Free, "{}", M::NAME);
        }
        for (index, slot) in self.slots.iter().enumerate() {
            let name = M::NAME;
            match slot.state {
                State::Free => {
                    assert!(
                        slot.value.is_none() && slot.loaded.is_none(),
                        "{name}: place {index} is not empty"
                    );
                    let worn_out = slot.generation == u32::MAX;
                    assert!(
                        worn_out || free.contains(&position(index)),
                        "{name}: place {index} is lost"
                    );
                }
                State::Pending => {
                    assert!(slot.value.is_some(), "{name}: nothing is to be inserted");
                    assert!(slot.loaded.is_none() && slot.key.is_none(), "{name}: it has no row yet");
                }
                State::Persistent => {
                    assert!(
                        slot.loaded.is_none() || slot.value.is_some(),
                        "{name}: what was edited has its value"
                    );
                }
                State::Doomed | State::Deleted => {}
            }
        }
    }

    /// The lists agree with the states, and the numbers with both.
    fn assert_work(&self) {
        let count = |state: State| self.slots.iter().filter(|slot| slot.state == state).count();
        let edited = self.slots.iter().filter(|slot| slot.loaded.is_some()).count();
        let waiting = Waiting {
            pending: count(State::Pending),
            doomed: count(State::Doomed),
            edited,
        };
        assert_eq!(self.work.waiting(), waiting, "{}", M::NAME);
        assert_eq!(
            self.added().len(),
            waiting.pending,
            "{}: the list of the added",
            M::NAME
        );
        assert_eq!(
            self.doomed().len(),
            waiting.doomed,
            "{}: the list of the doomed",
            M::NAME
        );
        let of_doomed = |slot: &&super::Slot<M>| slot.state == State::Doomed && slot.loaded.is_some();
        let of_doomed = self.slots.iter().filter(of_doomed).count();
        assert_eq!(
            self.edited().len(),
            edited - of_doomed,
            "{}: the list of the edited",
            M::NAME
        );
        for child in self.links.children() {
            let slot = &self.slots[child as usize];
            let waits = slot.state == State::Pending || (slot.state == State::Persistent && slot.loaded.is_some());
            assert!(
                waits,
                "{}: a parent's key is to be written into what waits for no flush",
                M::NAME
            );
        }
    }
}
