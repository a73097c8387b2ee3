//! What a flush writes, and why it fails.
//!
//! The reference knows what is there before and after, and not in which order it is written. Where the rows that are to be in
//! the end break no rule, and rows in between may, either may happen; otherwise it is certain.

use std::collections::{BTreeMap, BTreeSet};

use aludel::Model;

use super::{Kind, Link, Stage, State, Thing};
use crate::models::programs::program::Which;
use crate::models::programs::tables::{Letter, Topic, Writer};

/// Why something is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::models::programs) enum Trouble {
    Unique,
    NotNull,
    ForeignKey,
    /// Another version than the one that was read.
    Conflict,
    /// No row where there was one.
    NotFound,
    /// Objects that cannot be written.
    Misuse,
}

/// What comes of a flush.
pub(in crate::models::programs) struct Forecast {
    pub(in crate::models::programs) after: State,
    /// It fails for one of these, if there are any.
    pub(in crate::models::programs) must: BTreeSet<Trouble>,
    /// It may fail for one of these.
    pub(in crate::models::programs) may: BTreeSet<Trouble>,
}

impl State {
    /// `key` says which key the database makes for the object at this place.
    pub(in crate::models::programs) fn flush(&self, key: &mut dyn FnMut(Which, usize) -> i32) -> Forecast {
        let mut forecast = Forecast {
            after: self.clone(),
            must: BTreeSet::new(),
            may: BTreeSet::new(),
        };
        forecast.cascade();
        forecast.look_for_cycles();
        forecast.make_keys::<Writer>(key);
        forecast.make_keys::<Letter>(key);
        forecast.fill_links();
        forecast.write::<Writer>();
        forecast.write::<Topic>();
        forecast.write::<Letter>();
        forecast.check(self);
        forecast
    }

    fn doomed<M: Kind>(&self) -> BTreeSet<M::Key> {
        let things = self.of::<M>().iter().filter(|thing| thing.stage == Stage::Doomed);
        things.filter_map(|thing| thing.key.clone()).collect()
    }

    /// Letters, as they will be, of which this holds; those that only the database knows become objects first.
    fn letters(&mut self, is: impl Fn(&Letter) -> bool) -> Vec<usize> {
        let rows: Vec<i32> = self
            .tables
            .letters
            .values()
            .filter(|row| is(row))
            .map(|row| row.id)
            .collect();
        for key in rows {
            self.loaded::<Letter>(key);
        }
        let all = 0..self.things.letters.len();
        all.filter(|&at| self.value::<Letter>(at).is_some_and(&is)).collect()
    }
}

impl Forecast {
    fn cascade(&mut self) {
        let (mut writers, mut letters) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let (more_writers, more_letters) = (self.after.doomed::<Writer>(), self.after.doomed::<Letter>());
            if more_writers == writers && more_letters == letters {
                return;
            }
            (writers, letters) = (more_writers, more_letters);
            for at in self
                .after
                .letters(|letter| letter.writer_id.is_some_and(|id| writers.contains(&id)))
            {
                self.after.doom::<Letter>(at);
            }
            for at in self
                .after
                .letters(|letter| letter.reply_to.is_some_and(|id| letters.contains(&id)))
            {
                self.after.draft::<Letter>(at).reply_to = None;
            }
        }
    }

    /// Letters of which each needs another one to be there, or to be gone, before.
    fn look_for_cycles(&mut self) {
        let things = &self.after.things.letters;
        let next = |thing: &Thing<Letter>, stage: Stage| -> Option<usize> {
            let value = match stage {
                Stage::Pending => thing.draft.as_ref(),
                _ => thing
                    .before
                    .as_ref()
                    .or(thing.doomed_as.as_ref())
                    .or(self.after.row(thing)),
            };
            let key = value.and_then(|letter| letter.reply_to);
            let by_key = || {
                let key = key?;
                things.iter().position(|other| match stage {
                    Stage::Pending => other.draft.as_ref().is_some_and(|letter| letter.id == key),
                    _ => other.key == Some(key),
                })
            };
            let found = thing.links.get(&Link::Reply).copied().or_else(by_key)?;
            (things[found].stage == stage).then_some(found)
        };
        for stage in [Stage::Pending, Stage::Doomed] {
            for start in 0..things.len() {
                let mut at = start;
                for _ in 0..things.len() {
                    if things[at].stage != stage {
                        break;
                    }
                    let Some(following) = next(&things[at], stage) else {
                        break;
                    };
                    at = following;
                    if at == start {
                        self.may.insert(Trouble::Misuse);
                        break;
                    }
                }
            }
        }
    }

    fn make_keys<M: Kind<Key = i32>>(&mut self, key: &mut dyn FnMut(Which, usize) -> i32) {
        for (at, thing) in self.after.of_mut::<M>().iter_mut().enumerate() {
            if let (Stage::Pending, Some(draft)) = (thing.stage, &mut thing.draft)
                && draft.key().is_none()
            {
                draft.give_key(key(M::WHICH, at));
            }
        }
    }

    /// Parents were given before they had keys.
    fn fill_links(&mut self) {
        for at in 0..self.after.things.letters.len() {
            for (link, parent) in std::mem::take(&mut self.after.things.letters[at].links) {
                let key = match link {
                    Link::Writer => key_of(&self.after.things.writers[parent]),
                    Link::Reply => key_of(&self.after.things.letters[parent]),
                };
                if key.is_none() {
                    self.must.insert(Trouble::Misuse);
                }
                if let Some(draft) = &mut self.after.things.letters[at].draft {
                    draft.set_parent(link, key);
                }
            }
        }
    }

    fn write<M: Kind>(&mut self) {
        let old: BTreeMap<M::Key, M> = self.after.rows::<M>().clone();
        let mut rows = old.clone();
        let doomed = self.after.of::<M>().iter().filter(|thing| thing.stage == Stage::Doomed);
        let doomed: Vec<Thing<M>> = doomed.cloned().collect();
        let mut written: Vec<(usize, M)> = Vec::new();
        let mut switched: BTreeSet<M::Key> = BTreeSet::new();
        for at in 0..self.after.of::<M>().len() {
            let thing = self.after.of::<M>()[at].clone();
            match thing.stage {
                Stage::Doomed => {
                    self.delete(&thing, old.get(thing.key.as_ref().expect("it has a row")));
                    rows.remove(thing.key.as_ref().expect("it has a row"));
                    self.after.of_mut::<M>()[at].stage = Stage::Deleted;
                }
                Stage::Persistent if thing.is_edited() => {
                    if let Some(row) = self.update(&thing, &old) {
                        rows.remove(thing.key.as_ref().expect("it has a row"));
                        written.push((at, row));
                    }
                }
                Stage::Pending => {
                    let (row, is_switch) = self.insert(&thing, &old, &doomed);
                    if is_switch && let Some(key) = row.key() {
                        switched.insert(key);
                    }
                    written.push((at, row));
                }
                _ => {}
            }
            self.after.of_mut::<M>()[at].expire();
        }
        for (at, row) in written {
            let key = row.key().expect("keys were made");
            let moved = self.after.of::<M>()[at].key.as_ref() != Some(&key);
            if moved && !switched.contains(&key) && old.contains_key(&key) {
                // It is free in the end, if it is.
                self.may.insert(Trouble::Unique);
            }
            if rows.insert(key.clone(), row).is_some() {
                self.must.insert(Trouble::Unique);
            }
            self.seat::<M>(at, key);
        }
        *M::rows_mut(&mut self.after.tables) = rows;
    }

    fn delete<M: Kind>(&mut self, thing: &Thing<M>, row: Option<&M>) {
        let expected = thing.before.as_ref().or(thing.doomed_as.as_ref());
        if let Some(expected) = expected.and_then(Kind::revision)
            && row.and_then(Kind::revision) != Some(expected)
        {
            // Unless it was expired by then, which the reference does not know.
            self.may.insert(Trouble::Conflict);
        }
    }

    fn update<M: Kind>(&mut self, thing: &Thing<M>, old: &BTreeMap<M::Key, M>) -> Option<M> {
        let (draft, before) = (thing.draft.as_ref()?, thing.before.as_ref()?);
        let columns = draft.differs(before);
        if columns.is_empty() {
            return None;
        }
        let Some(row) = thing.key.as_ref().and_then(|key| old.get(key)) else {
            self.must.insert(match draft.revision() {
                Some(_) => Trouble::Conflict,
                None => Trouble::NotFound,
            });
            return None;
        };
        if row.revision() != before.revision() {
            self.must.insert(Trouble::Conflict);
        }
        let mut row = row.clone();
        for column in columns {
            row.copy(draft, column);
        }
        if let Some(revision) = before.revision() {
            row.set_revision(revision + 1);
        }
        Some(row)
    }

    /// The row of a new object, and whether it takes over that of one that is deleted.
    fn insert<M: Kind>(&mut self, thing: &Thing<M>, old: &BTreeMap<M::Key, M>, doomed: &[Thing<M>]) -> (M, bool) {
        let mut row = thing.draft.clone().expect("what is new has a value");
        let key = row.key().expect("keys were made");
        let taken_over = doomed.iter().find(|other| other.key.as_ref() == Some(&key));
        let Some((deleted, before)) = taken_over.zip(old.get(&key)) else {
            if row.revision() == Some(0) {
                row.set_revision(1);
            }
            // Its row is gone already, which is noticed or not.
            if taken_over.is_some() {
                self.may.extend([Trouble::Conflict, Trouble::NotFound]);
            }
            return (row, false);
        };
        self.delete(deleted, Some(before));
        // One that the program has given stays.
        if let (Some(revision), Some(0)) = (before.revision(), row.revision()) {
            let changed = !row.differs(before).is_empty();
            row.set_revision(if changed { revision + 1 } else { revision });
        }
        (row, true)
    }

    /// The object is the one with this key. Whoever had it before was deleted, if not by the session then by a statement.
    fn seat<M: Kind>(&mut self, at: usize, key: M::Key) {
        for (other, thing) in self.after.of_mut::<M>().iter_mut().enumerate() {
            if other != at && thing.stage == Stage::Persistent && thing.key.as_ref() == Some(&key) {
                thing.stage = Stage::Deleted;
            }
        }
        let thing = &mut self.after.of_mut::<M>()[at];
        if thing.stage == Stage::Pending {
            thing.stage = Stage::Persistent;
            thing.came_with = Some(key.clone());
        }
        thing.key = Some(key);
    }

    /// The rules of the database.
    fn check(&mut self, before: &State) {
        let (old, new) = (&before.tables, &self.after.tables);
        let mut names: BTreeMap<&str, i32> = BTreeMap::new();
        for row in new.writers.values() {
            if names.insert(&row.name, row.id).is_some() {
                self.must.insert(Trouble::Unique);
            }
            let taken = old
                .writers
                .values()
                .any(|other| other.name == row.name && other.id != row.id);
            if taken {
                self.may.insert(Trouble::Unique);
            }
        }
        if new.topics.values().any(|row| row.note.is_none()) {
            self.must.insert(Trouble::NotNull);
        }
        let dangles = |row: &Letter| {
            row.writer_id.is_some_and(|id| !new.writers.contains_key(&id))
                || row.reply_to.is_some_and(|id| !new.letters.contains_key(&id))
        };
        if new.letters.values().any(dangles) {
            self.must.insert(Trouble::ForeignKey);
        }
    }
}

fn key_of<M: Kind>(thing: &Thing<M>) -> Option<M::Key> {
    match thing.stage {
        Stage::Pending => thing.draft.as_ref().and_then(Model::key),
        Stage::Persistent => thing.key.clone(),
        _ => None,
    }
}
