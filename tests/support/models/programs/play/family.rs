//! The verbs on parents and children.

use std::collections::BTreeSet;

use aludel::prelude::*;

use super::around::Learn;
use super::{Play, Stop, same, wrong};
use crate::models::programs::program::{Make, Which};
use crate::models::programs::reference::{Link, Object, Stage};
use crate::models::programs::tables::{Letter, Library, Topic, Writer};

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    fn new_letter(&mut self, name: &str) -> Letter {
        let make = Make {
            which: Which::Letter,
            with: 0,
            keyed: false,
            wrong: false,
        };
        let name = self.fresh(name);
        let mut letter = <Letter as super::Kind>::make(&self.reference.now, make, name);
        letter.writer_id = None;
        letter
    }

    pub(super) fn add_to_writer(&mut self, session: &mut Session<C>, parent: u8) -> Result<(), Stop> {
        let Some(parent) = self.pick_alive::<Writer>(parent) else {
            return Ok(());
        };
        let letter = self.new_letter("letter");
        let writer = self.entity::<Writer>(parent);
        let given = letter.clone();
        let entity = session.add_to(writer, given);
        let entity = entity.or_else(|error| wrong(format!("add_to: {error}")))?;
        let child = self.reference.now.added(entity, letter);
        self.has_writer(child, parent);
        Ok(())
    }

    pub(super) fn answer(&mut self, session: &mut Session<C>, parent: u8) -> Result<(), Stop> {
        let Some(parent) = self.pick_alive::<Letter>(parent) else {
            return Ok(());
        };
        let letter = self.new_letter("answer");
        let answered = self.entity::<Letter>(parent);
        let given = letter.clone();
        let entity = session.add_to(answered, given);
        let entity = entity.or_else(|error| wrong(format!("add_to: {error}")))?;
        let child = self.reference.now.added(entity, letter);
        self.answers(child, parent);
        Ok(())
    }

    pub(super) fn set_writer(&mut self, session: &mut Session<C>, child: u8, parent: u8) -> Result<(), Stop> {
        let (Some(child), Some(parent)) = (self.pick_alive::<Letter>(child), self.pick_alive::<Writer>(parent)) else {
            return Ok(());
        };
        let (letter, writer) = (self.entity::<Letter>(child), self.entity::<Writer>(parent));
        self.with(format!("{letter:?} to {writer:?}"));
        let verb = |session: &mut Session<C>| session.set_parent(letter, Letter::WRITER_ID, writer);
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if self.has_left::<Writer>(parent, &result) {
            return Ok(());
        }
        if self.is_there::<Letter, _>(child, &result)? {
            self.has_writer(child, parent);
        }
        Ok(())
    }

    pub(super) fn set_reply(&mut self, session: &mut Session<C>, child: u8, parent: u8) -> Result<(), Stop> {
        let (Some(child), Some(parent)) = (self.pick_alive::<Letter>(child), self.pick_alive::<Letter>(parent)) else {
            return Ok(());
        };
        if child == parent {
            return Ok(());
        }
        let (letter, answered) = (self.entity::<Letter>(child), self.entity::<Letter>(parent));
        self.with(format!("{letter:?} to {answered:?}"));
        let verb = |session: &mut Session<C>| session.set_parent(letter, Letter::REPLY_TO, answered);
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if self.has_left::<Letter>(parent, &result) {
            return Ok(());
        }
        if self.is_there::<Letter, _>(child, &result)? {
            self.answers(child, parent);
        }
        Ok(())
    }

    /// The parent was deleted by the flush before the child was read, and the session says so.
    fn has_left<M: Object<C>>(&self, parent: usize, result: &aludel::Result<()>) -> bool {
        let says = matches!(result, Err(error) if error.is_stale_entity());
        says && !self.is_alive::<M>(parent)
    }

    fn has_writer(&mut self, child: usize, parent: usize) {
        let thing = &self.reference.now.things.writers[parent];
        let key = (thing.stage == Stage::Persistent).then_some(thing.key).flatten();
        self.belongs(child, Link::Writer, parent, key);
    }

    fn answers(&mut self, child: usize, parent: usize) {
        let thing = &self.reference.now.things.letters[parent];
        let key = (thing.stage == Stage::Persistent).then_some(thing.key).flatten();
        self.belongs(child, Link::Reply, parent, key);
    }

    fn belongs(&mut self, child: usize, link: Link, parent: usize, key: Option<i32>) {
        <Letter as super::Kind>::set_parent(self.reference.now.draft::<Letter>(child), link, key);
        let links = &mut self.reference.now.things.letters[child].links;
        match key {
            Some(_) => links.remove(&link),
            None => links.insert(link, parent),
        };
    }

    pub(super) fn clear(&mut self, session: &mut Session<C>, child: u8, link: Link) -> Result<(), Stop> {
        let Some(child) = self.pick_alive::<Letter>(child) else {
            return Ok(());
        };
        let letter = self.entity::<Letter>(child);
        self.with(format!("{letter:?}"));
        let verb = |session: &mut Session<C>| match link {
            Link::Writer => session.clear_parent(letter, Letter::WRITER_ID),
            Link::Reply => session.clear_parent(letter, Letter::REPLY_TO),
        };
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if self.is_there::<Letter, _>(child, &result)? {
            <Letter as super::Kind>::set_parent(self.reference.now.draft::<Letter>(child), link, None);
            self.reference.now.things.letters[child].links.remove(&link);
        }
        Ok(())
    }

    pub(super) fn parents(&mut self, session: &mut Session<C>, child: u8) -> Result<(), Stop> {
        let Some(child) = self.pick_alive::<Letter>(child) else {
            return Ok(());
        };
        let letter = self.entity::<Letter>(child);
        self.with(format!("{letter:?}"));
        let verb = |session: &mut Session<C>| session.parent(letter, Letter::WRITER_ID);
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if !self.is_there::<Letter, _>(child, &result)? {
            return Ok(());
        }
        let writer = result.or_else(|error| wrong(format!("parent: {error}")))?;
        let links = self.reference.now.things.letters[child].links.clone();
        let value = self.reference.now.value::<Letter>(child).cloned().expect("it is there");
        match (links.get(&Link::Writer), value.writer_id) {
            (Some(&parent), _) => same("the new writer", &writer, &self.if_alive::<Writer>(parent))?,
            (None, Some(key)) => self.found::<Writer>(&key, writer)?,
            (None, None) => same("no writer", &writer, &None)?,
        }
        let verb = |session: &mut Session<C>| session.parent(letter, Letter::REPLY_TO);
        let result = self.around(session, Learn::ByReading, None, verb)?;
        if !self.is_there::<Letter, _>(child, &result)? {
            return Ok(());
        }
        let answered = result.or_else(|error| wrong(format!("parent: {error}")))?;
        let links = self.reference.now.things.letters[child].links.clone();
        let value = self.reference.now.value::<Letter>(child).cloned().expect("it is there");
        match (links.get(&Link::Reply), value.reply_to) {
            (Some(&parent), _) => same("the new letter", &answered, &self.if_alive::<Letter>(parent)),
            (None, Some(key)) => self.found::<Letter>(&key, answered),
            (None, None) => same("no letter", &answered, &None),
        }
    }

    fn if_alive<M: Object<C>>(&self, at: usize) -> Option<Entity<M>> {
        self.reference.now.of::<M>()[at]
            .entity
            .filter(|_| self.is_alive::<M>(at))
    }

    pub(super) fn letters(&mut self, session: &mut Session<C>, parent: u8) -> Result<(), Stop> {
        let Some(parent) = self.pick_alive::<Writer>(parent) else {
            return Ok(());
        };
        let writer = self.entity::<Writer>(parent);
        self.with(format!("{writer:?}"));
        let verb = |session: &mut Session<C>| session.children(writer, Letter::WRITER_ID);
        let found = self.around(session, Learn::ByReading, None, verb)?;
        let found = found.or_else(|error| wrong(format!("children: {error}")))?;
        if self.reference.now.has_work() {
            return wrong("children has left something unwritten");
        }
        let key = self.reference.now.things.writers[parent].key;
        let rows = self.reference.now.tables.letters.values();
        let expected: BTreeSet<i32> = rows.filter(|row| row.writer_id == key).map(|row| row.id).collect();
        let mut keys = BTreeSet::new();
        for entity in found {
            let key = session[entity].id;
            self.found::<Letter>(&key, Some(entity))?;
            keys.insert(key);
        }
        same("the writer's letters", &keys, &expected)
    }
}
