//! What a flush has to do, and what it reports.
//!
//! Objects that wait for a flush stand in lists, so that nobody looks for them among all others. An object that is written or
//! leaves in the meantime stays in its list until that is next empty, and is passed over; how many really wait is counted.

use std::collections::HashSet;

use super::{State, Store};
use crate::model::Model;

#[derive(Debug, Default)]
pub(super) struct Work {
    added: Vec<Mark>,
    doomed: Vec<Mark>,
    edited: Vec<u32>,
    waiting: Waiting,
    /// How often something has begun to wait; it never falls.
    news: u64,
}

/// How many wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) pending: usize,
    pub(super) doomed: usize,
    pub(super) edited: usize,
}

/// One object in a list.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Order of the adds and deletes of all models, which is the order of their statements.
    sequence: u64,
    index: u32,
    generation: u32,
}

impl Work {
    pub(super) fn adds(&mut self, sequence: u64, index: u32, generation: u32) {
        if self.waiting.pending == 1 {
            self.added.clear();
        }
        self.news += 1;
        self.added.push(Mark {
            sequence,
            index,
            generation,
        });
    }

    pub(super) fn dooms(&mut self, sequence: u64, index: u32, generation: u32) {
        if self.waiting.doomed == 1 {
            self.doomed.clear();
        }
        self.news += 1;
        self.doomed.push(Mark {
            sequence,
            index,
            generation,
        });
    }

    pub(super) fn edits(&mut self, index: u32) {
        if self.waiting.edited == 0 {
            self.edited.clear();
        }
        self.waiting.edited += 1;
        self.news += 1;
        self.edited.push(index);
    }

    pub(super) fn has_edited(&mut self) {
        self.waiting.edited -= 1;
    }

    pub(super) fn entered(&mut self, state: State) {
        if let Some(count) = self.count_of(state) {
            *count += 1;
        }
    }

    pub(super) fn left(&mut self, state: State) {
        if let Some(count) = self.count_of(state) {
            *count -= 1;
        }
    }

    fn count_of(&mut self, state: State) -> Option<&mut usize> {
        match state {
            State::Pending => Some(&mut self.waiting.pending),
            State::Doomed => Some(&mut self.waiting.doomed),
            State::Free | State::Persistent | State::Deleted => None,
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// The places in the list of what was edited, those that have left included.
    pub(super) fn listed_as_edited(&self) -> &[u32] {
        &self.edited
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            news: self.news,
            ..Self::default()
        };
    }
}

impl<M: Model> Store<M> {
    /// Whether a flush may find something to write.
    pub(crate) fn is_pending(&self) -> bool {
        self.work.waiting != Waiting::default()
    }

    /// A number that grows with each object that begins to wait for a flush.
    pub(crate) fn news(&self) -> u64 {
        self.work.news
    }

    /// Objects to be inserted, with their place in the order of all adds and deletes.
    pub(crate) fn added(&self) -> Vec<(u64, u32)> {
        if self.work.waiting.pending == 0 {
            return Vec::new();
        }
        self.marked(&self.work.added, State::Pending, self.work.waiting.pending)
    }

    /// Objects to be deleted, with their place in the order of all adds and deletes.
    pub(crate) fn doomed(&self) -> Vec<(u64, u32)> {
        if self.work.waiting.doomed == 0 {
            return Vec::new();
        }
        self.marked(&self.work.doomed, State::Doomed, self.work.waiting.doomed)
    }

    fn marked(&self, list: &[Mark], state: State, count: usize) -> Vec<(u64, u32)> {
        let is = |mark: &&Mark| {
            let slot = &self.slots[mark.index as usize];
            slot.generation == mark.generation && slot.state == state
        };
        let mut marks: Vec<(u64, u32)> = list.iter().filter(is).map(|mark| (mark.sequence, mark.index)).collect();
        if marks.len() > count {
            // One that was doomed, brought back by a savepoint and doomed again is listed twice; the last time counts.
            marks.reverse();
            let mut seen = HashSet::new();
            marks.retain(|mark| seen.insert(mark.1));
            marks.reverse();
        }
        marks
    }

    /// The edited objects, in the order of their keys: two sessions that change the same rows then wait for each other
    /// instead of deadlocking.
    pub(crate) fn edited(&self) -> Vec<u32> {
        if self.work.waiting.edited == 0 {
            return Vec::new();
        }
        let is = |index: &u32| {
            let slot = &self.slots[*index as usize];
            slot.state == State::Persistent && slot.loaded.is_some()
        };
        let mut edited: Vec<u32> = self.work.edited.iter().copied().filter(is).collect();
        edited.sort_unstable_by(|&a, &b| {
            let key = |index: u32| (&self.slots[index as usize].key, index);
            key(a).cmp(&key(b))
        });
        edited.dedup();
        edited
    }
}
