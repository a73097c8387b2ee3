//! What those who listen are told of objects: each change of a state, in the order in which they come.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use super::{State, Store};
use crate::model::Model;
use crate::session::ObjectState;

/// One object has another state.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) model: &'static str,
    pub(crate) key: Option<Box<dyn Debug + Send>>,
    pub(crate) from: ObjectState,
    pub(crate) to: ObjectState,
}

/// What all stores of a session write into while somebody listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Changed>>>);

impl Witness {
    fn saw(&self, changed: Changed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(changed);
    }

    /// What was not told yet.
    pub(crate) fn take(&self) -> Vec<Changed> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<M: Model> Store<M> {
    /// Somebody listens.
    pub(crate) fn listen(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// `outside` is what it was, or will be, where it is in no session.
    #[inline]
    pub(super) fn tell_state(&self, index: u32, before: State, state: State, outside: ObjectState) {
        if let Some(witness) = &self.witness {
            let (from, to) = (seen_from_outside(before, outside), seen_from_outside(state, outside));
            if from != to {
                let slot = &self.slots[index as usize];
                let key = slot.key.clone().or_else(|| slot.value.as_ref().and_then(Model::key));
                witness.saw(Changed {
                    model: M::NAME,
                    key: key.map(|key| Box::new(key) as _),
                    from,
                    to,
                });
            }
        }
    }
}

fn seen_from_outside(state: State, outside: ObjectState) -> ObjectState {
    match state {
        State::Free => outside,
        State::Pending => ObjectState::Pending,
        State::Persistent => ObjectState::Persistent,
        State::Doomed | State::Deleted => ObjectState::Deleted,
    }
}
