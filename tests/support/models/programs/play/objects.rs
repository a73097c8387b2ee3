//! The verbs on objects.

use std::collections::BTreeSet;

use aludel::prelude::*;

use super::around::Learn;
use super::{Play, Stop, same, wrong};
use crate::models::programs::program::{Change, Make, Which};
use crate::models::programs::reference::{Kind, Link, Object, Stage};
use crate::models::programs::tables::{Letter, Library, Topic, Writer};

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    pub(super) fn add<M: Object<C>>(&mut self, session: &mut Session<C>, make: Make) {
        let name = self.fresh("new");
        let value = M::make(&self.reference.now, make, name);
        self.with(format!("{value:?}"));
        let entity = session.add(value.clone());
        self.reference.now.added(entity, value);
    }

    pub(super) fn add_many<M: Object<C>>(&mut self, session: &mut Session<C>, count: u8) -> Result<(), Stop> {
        let values: Vec<M> = (0..count)
            .map(|with| {
                let name = self.fresh("many");
                let make = Make {
                    which: M::WHICH,
                    with,
                    keyed: false,
                    wrong: false,
                };
                M::make(&self.reference.now, make, name)
            })
            .collect();
        let entities = session.add_all(values.clone());
        same("how many were added", &entities.len(), &values.len())?;
        for (entity, value) in entities.into_iter().zip(values) {
            self.reference.now.added(entity, value);
        }
        Ok(())
    }

    pub(super) fn change(&mut self, session: &mut Session<C>, index: u8, change: Change) -> Result<(), Stop> {
        let name = match change {
            Change::Name(with) if with.is_multiple_of(8) => format!("taken{}", with % 3),
            Change::Title(with) if with.is_multiple_of(4) => {
                let mut names = self.reference.now.tables.topics.keys();
                names
                    .nth(usize::from(with) % 5)
                    .cloned()
                    .unwrap_or_else(|| "title".to_owned())
            }
            _ => self.fresh("changed"),
        };
        match change {
            Change::Grade(with) => self.edit::<Writer>(session, index, &|writer| writer.alter(with)),
            Change::Name(_) => self.edit::<Writer>(session, index, &|writer| writer.name.clone_from(&name)),
            Change::Writer(with) => self.edit::<Writer>(session, index, &|writer| {
                writer.name.clone_from(&name);
                writer.alter(with);
            }),
            Change::Equal(Which::Writer) => self.edit::<Writer>(session, index, &|_| {}),
            Change::Equal(Which::Topic) => self.edit::<Topic>(session, index, &|_| {}),
            Change::Equal(Which::Letter) => self.edit::<Letter>(session, index, &|_| {}),
            Change::Weight(with) => self.edit::<Topic>(session, index, &|topic| topic.alter(with)),
            Change::Title(_) => self.edit::<Topic>(session, index, &|topic| topic.name.clone_from(&name)),
            Change::Note(is) => self.edit::<Topic>(session, index, &|topic| topic.note = is.then(|| name.clone())),
            Change::Text(with) => self.edit::<Letter>(session, index, &|letter| letter.alter(with)),
            Change::WriterId(with) => {
                let key = self
                    .reference
                    .now
                    .tables
                    .writers
                    .keys()
                    .nth(usize::from(with) % 5)
                    .copied();
                let linked = self.pick::<Letter>(index);
                if linked.is_some_and(|at| self.reference.now.things.letters[at].links.contains_key(&Link::Writer)) {
                    return Ok(());
                }
                self.edit::<Letter>(session, index, &|letter| letter.writer_id = key)
            }
        }
    }

    fn edit<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8, change: &dyn Fn(&mut M)) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        let entity = self.entity::<M>(at);
        self.with(format!("{entity:?}"));
        let result = self.around(session, Learn::ByReading, None, |session| {
            session.edit(entity).map(change)
        })?;
        if self.is_there::<M, _>(at, &result)? {
            change(self.reference.now.draft::<M>(at));
        }
        Ok(())
    }

    /// Whether a verb that reads an object could do so; otherwise it has said why.
    pub(super) fn is_there<M: Object<C>, T>(&mut self, at: usize, result: &aludel::Result<T>) -> Result<bool, Stop> {
        let is_alive = self.is_alive::<M>(at);
        let has_value = self.reference.now.value::<M>(at).is_some();
        match result {
            Ok(_) if has_value => Ok(true),
            Ok(_) if is_alive => wrong("its row is gone, and it was read"),
            Ok(_) => wrong(format!("it is {:?}, and it was read", self.stage::<M>(at))),
            Err(error) if error.is_not_found() && is_alive && !has_value => {
                self.with("its row is gone");
                self.reference.now.of_mut::<M>()[at].leave();
                Ok(false)
            }
            Err(error) if error.is_stale_entity() && !is_alive => Ok(false),
            Err(error) => wrong(format!(
                "it is {:?}, and its row is {}: {error}",
                self.stage::<M>(at),
                { if has_value { "there" } else { "not there" } }
            )),
        }
    }

    pub(super) fn swap<M: Object<C>>(&mut self, session: &mut Session<C>, a: u8, b: u8) -> Result<(), Stop> {
        if self.reference.now.has_work() {
            self.flush(session)?;
        }
        let (Some(a), Some(b)) = (self.pick_alive::<M>(a), self.pick_alive::<M>(b)) else {
            return Ok(());
        };
        let (first, second) = (self.entity::<M>(a), self.entity::<M>(b));
        let verb = |session: &mut Session<C>| {
            let (first, second) = session.edit_two(first, second)?;
            M::swap(first, second);
            Ok(())
        };
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if a == b {
            return match result {
                Err(_) => Ok(()),
                Ok(()) => wrong("edit_two of one object"),
            };
        }
        for at in [a, b] {
            // The first whose row is gone is the one that it says.
            if self.reference.now.value::<M>(at).is_none() {
                return self.is_there::<M, _>(at, &result).map(drop);
            }
        }
        result.or_else(|error| wrong(format!("edit_two: {error}")))?;
        let mut value = self.reference.now.draft::<M>(b).clone();
        M::swap(self.reference.now.draft::<M>(a), &mut value);
        *self.reference.now.draft::<M>(b) = value;
        Ok(())
    }

    pub(super) fn edit_all<M: Object<C>>(&mut self, session: &mut Session<C>, with: u8) -> Result<(), Stop> {
        if self.reference.now.has_work() {
            self.flush(session)?;
        }
        let all = 0..self.reference.now.of::<M>().len();
        let known = |&at: &usize| self.reference.now.of::<M>()[at].entity.is_some() && self.is_alive::<M>(at);
        let all: Vec<usize> = all.filter(known).collect();
        let entities: Vec<Entity<M>> = all.iter().map(|&at| self.entity::<M>(at)).collect();
        let verb = |session: &mut Session<C>| {
            let values = session.edit_many(&entities)?;
            for value in values {
                value.alter(with);
            }
            Ok(())
        };
        let result = self.around(session, Learn::ByReading, None, verb)?;
        let gone: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&at| self.reference.now.value::<M>(at).is_none())
            .collect();
        match result {
            Ok(()) if gone.is_empty() => {
                for at in all {
                    self.reference.now.draft::<M>(at).alter(with);
                }
                Ok(())
            }
            Ok(()) => wrong("edit_many has found what is gone"),
            Err(error) if error.is_not_found() && !gone.is_empty() => {
                // Those that it has looked for.
                for at in gone {
                    if session.state(self.entity::<M>(at)) == aludel::ObjectState::Detached {
                        self.reference.now.of_mut::<M>()[at].leave();
                    }
                }
                Ok(())
            }
            Err(error) => wrong(format!("edit_many: {error}")),
        }
    }

    pub(super) fn delete<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        self.with(format!("{:?}", self.entity::<M>(at)));
        match session.delete(self.entity::<M>(at)) {
            Ok(()) if self.is_alive::<M>(at) => self.reference.now.doom::<M>(at),
            Err(error) if error.is_stale_entity() && !self.is_alive::<M>(at) => {}
            other => return wrong(format!("delete of what is {:?}: {other:?}", self.stage::<M>(at))),
        }
        Ok(())
    }

    pub(super) fn merge<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8, with: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        if self.reference.now.of::<M>()[at].is_edited() {
            // Nobody could tell what waited before from what is merged into it.
            self.flush(session)?;
        }
        let value = self
            .reference
            .now
            .value::<M>(at)
            .or_else(|| self.reference.now.of::<M>()[at].before.as_ref());
        let Some(mut value) = value.cloned() else {
            return Ok(());
        };
        // One that somebody has read before is known by its version.
        let read_before = value
            .revision()
            .filter(|revision| with.is_multiple_of(8) && *revision > 0);
        value.set_revision(read_before.map_or(0, |revision| revision + 1));
        value.alter(with);
        self.with(format!("{value:?}"));
        let given = value.clone();
        let entity = self.around(session, Learn::ByReading, None, |session| session.merge(given))?;
        if read_before.is_some() {
            return self.was_merged_too_late::<M>(value, entity);
        }
        let entity = entity.or_else(|error| wrong(format!("merge: {error}")))?;
        let key = value.key();
        let standing = key.as_ref().and_then(|key| self.reference.now.standing::<M>(key));
        let target = standing.filter(|&at| self.reference.now.value::<M>(at).is_some());
        let target = target.or_else(|| {
            let key = key.filter(|key| standing.is_none() && self.reference.now.rows::<M>().contains_key(key))?;
            Some(self.reference.now.loaded::<M>(key))
        });
        if let Some(target) = target {
            self.meet::<M>(target, entity)?;
            let draft = self.reference.now.draft::<M>(target);
            if let Some(revision) = draft.revision() {
                value.set_revision(revision);
            }
            *draft = value;
            self.reference.now.of_mut::<M>()[target].links.clear();
        } else {
            if let Some(at) = standing
                && self.is_alive::<M>(at)
            {
                self.reference.now.of_mut::<M>()[at].leave();
            }
            self.reference.now.added(entity, value);
        }
        Ok(())
    }

    /// A value of another version than its row's; where there is no row there is nothing to compare.
    fn was_merged_too_late<M: Object<C>>(&mut self, value: M, result: aludel::Result<Entity<M>>) -> Result<(), Stop> {
        let standing = value.key().and_then(|key| self.reference.now.standing::<M>(&key));
        let is_there = standing.is_some_and(|at| self.reference.now.value::<M>(at).is_some());
        match result {
            Err(error) if error.is_version_conflict() && is_there => Ok(()),
            Ok(entity) if !is_there => {
                if let Some(at) = standing.filter(|&at| self.is_alive::<M>(at)) {
                    self.reference.now.of_mut::<M>()[at].leave();
                }
                self.reference.now.added(entity, value);
                Ok(())
            }
            other => wrong(format!(
                "merge of another version, and there is one: {is_there}: {other:?}"
            )),
        }
    }

    pub(super) fn expunge<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        self.with(format!("{:?}", self.entity::<M>(at)));
        match session.expunge(self.entity::<M>(at)) {
            Ok(()) if self.stage::<M>(at) != Stage::Gone => self.reference.now.of_mut::<M>()[at].leave(),
            Err(error) if error.is_stale_entity() && self.stage::<M>(at) == Stage::Gone => {}
            other => return wrong(format!("expunge of what is {:?}: {other:?}", self.stage::<M>(at))),
        }
        Ok(())
    }

    pub(super) fn detach<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        let entity = self.entity::<M>(at);
        self.with(format!("{entity:?}"));
        let detach = |session: &mut Session<C>| session.detach(entity);
        // What waits for a flush has its value, and waits no longer.
        let result = if self.reference.now.of::<M>()[at].waits() {
            detach(session)
        } else {
            self.around(session, Learn::ByReading, None, detach)?
        };
        if self.is_there::<M, _>(at, &result)?
            && let Ok(value) = result
        {
            self.is_as_said::<M>(at, value)?;
            self.reference.now.of_mut::<M>()[at].leave();
        }
        Ok(())
    }

    pub(super) fn expire<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        self.with(format!("{:?}", self.entity::<M>(at)));
        let stage = self.stage::<M>(at);
        match session.expire(self.entity::<M>(at)) {
            Ok(()) if stage == Stage::Persistent => self.reference.now.of_mut::<M>()[at].expire(),
            Err(error) if error.is_stale_entity() && !self.is_alive::<M>(at) => {}
            Err(_) if stage == Stage::Pending => {}
            other => return wrong(format!("expire of what is {stage:?}: {other:?}")),
        }
        Ok(())
    }

    pub(super) fn refresh<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        let entity = self.entity::<M>(at);
        self.with(format!("{entity:?}"));
        let result = self.around(session, Learn::ByReading, None, |session| session.refresh(entity))?;
        if result.is_ok() && self.reference.now.has_work() {
            return wrong("refresh has left something unwritten");
        }
        self.is_there::<M, _>(at, &result).map(drop)
    }

    pub(super) fn read<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self.pick::<M>(index) else {
            return Ok(());
        };
        let entity = self.entity::<M>(at);
        self.with(format!("{entity:?}"));
        let result = self.around(session, Learn::ByReading, None, |session| session.read(entity).cloned())?;
        self.was_read::<M>(at, result)
    }

    /// What was read is what the reference says.
    pub(super) fn was_read<M: Object<C>>(&mut self, at: usize, result: aludel::Result<M>) -> Result<(), Stop> {
        match (self.is_there::<M, _>(at, &result)?, result) {
            (true, Ok(value)) => self.is_as_said::<M>(at, value),
            _ => Ok(()),
        }
    }

    /// Foreign keys aside whose parents have no keys yet.
    fn is_as_said<M: Object<C>>(&self, at: usize, mut value: M) -> Result<(), Stop> {
        let mut said = self.reference.now.value::<M>(at).cloned();
        for &link in self.reference.now.of::<M>()[at].links.keys() {
            value.set_parent(link, None);
            if let Some(said) = &mut said {
                said.set_parent(link, None);
            }
        }
        same(&format!("{:?}", self.entity::<M>(at)), &Some(value), &said)
    }

    /// The keys that there may be something to find with; some that there is nothing to find with.
    fn keys<M: Object<C>>(&self) -> Vec<M::Key> {
        let things = self.reference.now.of::<M>().iter();
        let of_things = things.filter_map(|thing| {
            let draft = thing.draft.as_ref().and_then(Model::key);
            thing.key.clone().or(draft)
        });
        let all: BTreeSet<M::Key> = self
            .reference
            .now
            .rows::<M>()
            .keys()
            .cloned()
            .chain(of_things)
            .collect();
        all.into_iter().collect()
    }

    pub(super) fn get<M: Object<C>>(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let keys = self.keys::<M>();
        let Some(at) = usize::from(index).checked_rem(keys.len()) else {
            return Ok(());
        };
        let key = keys[at].clone();
        self.with(format!("{key:?}"));
        let asked = key.clone();
        let found = self.around(session, Learn::ByReading, None, |session| session.get::<M>(asked))?;
        let found = found.or_else(|error| wrong(format!("get of {key:?}: {error}")))?;
        self.found::<M>(&key, found)
    }

    /// What was found with a key is what the reference says.
    pub(super) fn found<M: Object<C>>(&mut self, key: &M::Key, found: Option<Entity<M>>) -> Result<(), Stop> {
        let standing = self.reference.now.standing::<M>(key);
        let there = match standing {
            Some(at) => self.reference.now.value::<M>(at).is_some(),
            None => self.reference.now.rows::<M>().contains_key(key),
        };
        match (found, there) {
            (Some(entity), true) => {
                let at = self.reference.now.loaded::<M>(key.clone());
                self.meet::<M>(at, entity)
            }
            (None, false) => {
                if let Some(at) = standing.filter(|&at| self.stage::<M>(at) == Stage::Persistent) {
                    self.with("its row is gone");
                    self.reference.now.of_mut::<M>()[at].leave();
                }
                Ok(())
            }
            (found, there) => wrong(format!("{key:?} gives {found:?}, and it is there: {there}")),
        }
    }

    /// One row, one object.
    pub(super) fn meet<M: Object<C>>(&mut self, at: usize, entity: Entity<M>) -> Result<(), Stop> {
        if let Some(known) = self.reference.now.of::<M>()[at].entity {
            return same("the object of a row", &entity, &known);
        }
        if self
            .reference
            .now
            .of::<M>()
            .iter()
            .any(|other| other.entity == Some(entity))
        {
            return wrong(format!("{entity:?} is the object of another row"));
        }
        self.reference.now.of_mut::<M>()[at].entity = Some(entity);
        Ok(())
    }

    pub(super) fn get_many<M: Object<C>>(&mut self, session: &mut Session<C>, first: u8) -> Result<(), Stop> {
        let keys = self.keys::<M>();
        let Some(first) = usize::from(first).checked_rem(keys.len()) else {
            return Ok(());
        };
        let asked: Vec<M::Key> = keys.iter().cycle().skip(first).step_by(2).take(5).cloned().collect();
        self.with(format!("{asked:?}"));
        let keys = asked.clone();
        let found = self.around(session, Learn::ByReading, None, |session| session.get_many::<M>(keys))?;
        let found = found.or_else(|error| wrong(format!("get_many: {error}")))?;
        same("how many were asked for", &found.len(), &asked.len())?;
        for (key, found) in asked.iter().zip(found) {
            self.found::<M>(key, found)?;
        }
        Ok(())
    }

    pub(super) fn query(&mut self, session: &mut Session<C>, which: Which, all: bool) -> Result<(), Stop> {
        match which {
            Which::Writer => {
                let found = self.around(session, Learn::ByReading, None, |session| C::writers(session, !all))?;
                self.queried::<Writer>(session, found, |row| all || row.grade.is_none())
            }
            Which::Topic => {
                let least = if all { 0 } else { 100 };
                let found = self.around(session, Learn::ByReading, None, |session| C::topics(session, least))?;
                self.queried::<Topic>(session, found, |row| row.weight >= least)
            }
            Which::Letter => {
                let found = self.around(session, Learn::ByReading, None, |session| C::letters(session, !all))?;
                self.queried::<Letter>(session, found, |row| all || row.reply_to.is_none())
            }
        }
    }

    fn queried<M: Object<C>>(
        &mut self,
        session: &mut Session<C>,
        found: aludel::Result<Vec<Entity<M>>>,
        is: impl Fn(&M) -> bool,
    ) -> Result<(), Stop> {
        let found = found.or_else(|error| wrong(format!("query: {error}")))?;
        if self.reference.now.has_work() {
            return wrong("a query has left something unwritten");
        }
        let rows = self.reference.now.rows::<M>().iter().filter(|(_, row)| is(row));
        let expected: BTreeSet<M::Key> = rows.map(|(key, _)| key.clone()).collect();
        let mut keys = BTreeSet::new();
        for entity in found {
            let value = session[entity].clone();
            let key = value
                .key()
                .ok_or_else(|| Stop::Wrong(format!("{value:?} has no key")))?;
            self.found::<M>(&key, Some(entity))?;
            let at = self.reference.now.loaded::<M>(key.clone());
            self.is_as_said::<M>(at, value)?;
            keys.insert(key);
        }
        same("the keys that were found", &keys, &expected)
    }
}
