//! What a session should hold and a database should have, as plainly as it can be said: maps of rows, lists of objects, and
//! a copy of both for each level that may be undone.
//!
//! | File | What is said there |
//! |---|---|
//! | `kind` | what is asked of a model |
//! | `flush` | what a flush writes, and why it fails |
//! | `plain` | what a statement beside the objects does |

use std::collections::BTreeMap;

use aludel::prelude::*;

mod flush;
mod kind;
mod plain;

pub(super) use flush::Trouble;
pub(super) use kind::{Kind, Object};

use super::tables::{Letter, Tables, Topic, Writer};

/// Now, and what there is to go back to.
pub(super) struct Reference {
    pub(super) now: State,
    /// The first is what is committed.
    levels: Vec<State>,
}

/// Rows and objects.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) tables: Tables,
    pub(super) things: Things,
}

/// All objects that the program has, or that the session may have without its knowledge.
#[derive(Clone, Debug, Default)]
pub(super) struct Things {
    pub(super) writers: Vec<Thing<Writer>>,
    pub(super) topics: Vec<Thing<Topic>>,
    pub(super) letters: Vec<Thing<Letter>>,
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Thing<M: Kind> {
    /// None as long as nobody was given it.
    pub(super) entity: Option<Entity<M>>,
    pub(super) stage: Stage,
    /// The key of its row.
    pub(super) key: Option<M::Key>,
    /// The one that it had when it came.
    came_with: Option<M::Key>,
    /// It leaves if that is undone.
    is_new: bool,
    /// What is to be written, if anything is.
    pub(super) draft: Option<M>,
    /// What its row was when it was edited.
    pub(super) before: Option<M>,
    /// Letters whose parents have no key: by which foreign key, and where the parent is in its list.
    pub(super) links: BTreeMap<Link, usize>,
    /// What its row was when it was marked for deletion.
    doomed_as: Option<M>,
}

/// The foreign keys of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    Writer,
    Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Pending,
    Persistent,
    /// To be deleted with the next flush.
    Doomed,
    /// Deleted in this transaction.
    Deleted,
    /// For good.
    Gone,
}

impl Reference {
    pub(super) fn new() -> Self {
        Self {
            now: State::default(),
            levels: vec![State::default()],
        }
    }

    /// How many savepoints are open.
    pub(super) fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    pub(super) fn committed(&self) -> &Tables {
        &self.levels[0].tables
    }

    /// A savepoint is set.
    pub(super) fn push(&mut self) {
        self.levels.push(self.now.clone());
    }

    /// It is released.
    pub(super) fn release(&mut self) {
        self.levels.pop().expect("a savepoint is open");
    }

    /// What was done since is undone.
    pub(super) fn undo(&mut self) {
        let level = self.levels.pop().expect("a savepoint is open");
        self.now.restore(level);
    }

    pub(super) fn commit(&mut self) {
        each_thing(&mut self.now.things, |stage| {
            if *stage == Stage::Deleted {
                *stage = Stage::Gone;
            }
        });
        self.levels = vec![self.now.clone()];
    }

    pub(super) fn rollback(&mut self) {
        self.levels.truncate(1);
        let committed = self.levels[0].clone();
        self.now.restore(committed);
        self.levels = vec![self.now.clone()];
    }

    /// Somebody else has committed something.
    pub(super) fn meanwhile(&mut self, change: impl Fn(&mut Tables)) {
        change(&mut self.now.tables);
        change(&mut self.levels[0].tables);
    }
}

fn each_thing(things: &mut Things, mut visit: impl FnMut(&mut Stage)) {
    things.writers.iter_mut().for_each(|thing| visit(&mut thing.stage));
    things.topics.iter_mut().for_each(|thing| visit(&mut thing.stage));
    things.letters.iter_mut().for_each(|thing| visit(&mut thing.stage));
}

impl State {
    fn restore(&mut self, level: Self) {
        self.tables = level.tables;
        restore(&mut self.things.writers, level.things.writers);
        restore(&mut self.things.topics, level.things.topics);
        restore(&mut self.things.letters, level.things.letters);
    }

    /// Whether there is anything that a flush would look at.
    pub(super) fn has_work(&self) -> bool {
        fn has<M: Kind>(things: &[Thing<M>]) -> bool {
            things.iter().any(Thing::waits)
        }
        has(&self.things.writers) || has(&self.things.topics) || has(&self.things.letters)
    }

    pub(super) fn of<M: Kind>(&self) -> &Vec<Thing<M>> {
        M::things(&self.things)
    }

    pub(super) fn of_mut<M: Kind>(&mut self) -> &mut Vec<Thing<M>> {
        M::things_mut(&mut self.things)
    }

    pub(super) fn rows<M: Kind>(&self) -> &BTreeMap<M::Key, M> {
        M::rows(&self.tables)
    }

    pub(super) fn row<M: Kind>(&self, thing: &Thing<M>) -> Option<&M> {
        self.rows::<M>().get(thing.key.as_ref()?)
    }

    /// What an object should say of itself; none if its row is gone.
    pub(super) fn value<M: Kind>(&self, at: usize) -> Option<&M> {
        let thing = &self.of::<M>()[at];
        match (thing.stage, &thing.draft) {
            (Stage::Pending | Stage::Persistent, Some(draft)) => Some(draft),
            (Stage::Persistent, None) => self.row(thing),
            _ => None,
        }
    }

    /// The object that stands for the row with a key.
    pub(super) fn standing<M: Kind>(&self, key: &M::Key) -> Option<usize> {
        self.of::<M>().iter().position(|thing| {
            matches!(thing.stage, Stage::Persistent | Stage::Doomed) && thing.key.as_ref() == Some(key)
        })
    }

    /// A new object.
    pub(super) fn added<M: Kind>(&mut self, entity: Entity<M>, value: M) -> usize {
        self.of_mut::<M>().push(Thing {
            entity: Some(entity),
            stage: Stage::Pending,
            key: None,
            came_with: None,
            is_new: true,
            draft: Some(value),
            before: None,
            links: BTreeMap::new(),
            doomed_as: None,
        });
        self.of::<M>().len() - 1
    }

    /// An object for a row, of which nobody need know.
    pub(super) fn loaded<M: Kind>(&mut self, key: M::Key) -> usize {
        if let Some(at) = self.standing::<M>(&key) {
            return at;
        }
        let deleted = |thing: &Thing<M>| thing.stage == Stage::Deleted && thing.key.as_ref() == Some(&key);
        let is_new = self.of::<M>().iter().any(deleted);
        self.of_mut::<M>().push(Thing {
            entity: None,
            stage: Stage::Persistent,
            key: Some(key.clone()),
            came_with: Some(key),
            is_new,
            draft: None,
            before: None,
            links: BTreeMap::new(),
            doomed_as: None,
        });
        self.of::<M>().len() - 1
    }

    /// What is to be changed, once it is known that its row is there.
    pub(super) fn draft<M: Kind>(&mut self, at: usize) -> &mut M {
        if self.of::<M>()[at].draft.is_none() {
            let row = self.row(&self.of::<M>()[at]).cloned();
            let thing = &mut self.of_mut::<M>()[at];
            thing.before.clone_from(&row);
            thing.draft = row;
        }
        let draft = self.of_mut::<M>()[at].draft.as_mut();
        draft.expect("somebody has looked whether the row is there")
    }

    /// It is marked for deletion, or forgotten if it was only added.
    pub(super) fn doom<M: Kind>(&mut self, at: usize) {
        let row = self.row(&self.of::<M>()[at]).cloned();
        let thing = &mut self.of_mut::<M>()[at];
        if thing.stage == Stage::Pending {
            thing.leave();
        } else {
            thing.stage = Stage::Doomed;
            thing.doomed_as = row;
            thing.links.clear();
        }
    }
}

fn restore<M: Kind>(now: &mut [Thing<M>], then: Vec<Thing<M>>) {
    let mut then = then.into_iter();
    for thing in now {
        let before = then.next();
        if thing.stage == Stage::Gone {
            continue;
        }
        let (stage, key) = match &before {
            Some(before) if before.stage == Stage::Pending => (Stage::Gone, None),
            Some(before) if before.stage == Stage::Deleted => (Stage::Deleted, before.key.clone()),
            Some(before) => (Stage::Persistent, before.key.clone()),
            None if thing.is_new => (Stage::Gone, None),
            None => (Stage::Persistent, thing.came_with.clone()),
        };
        thing.leave();
        (thing.stage, thing.key) = (stage, key);
    }
}

impl<M: Kind> Thing<M> {
    /// It is no more.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Gone;
        self.draft = None;
        self.before = None;
        self.doomed_as = None;
        self.links.clear();
    }

    /// Changes are given up.
    pub(super) fn expire(&mut self) {
        self.draft = None;
        self.before = None;
        self.links.clear();
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.stage, Stage::Pending | Stage::Persistent)
    }

    pub(super) fn is_edited(&self) -> bool {
        self.stage == Stage::Persistent && self.draft.is_some()
    }

    /// Whether a flush looks at it.
    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Pending | Stage::Doomed) || self.is_edited()
    }
}
