//! What is asked of a model.

use std::collections::BTreeMap;
use std::fmt::Debug;

use aludel::prelude::*;

use super::{Link, Stage, State, Thing, Things};
use crate::models::programs::program::{Make, Which};
use crate::models::programs::tables::{Letter, Tables, Topic, Writer};

/// One of the three models.
pub(in crate::models::programs) trait Kind: Model + PartialEq + Debug {
    const WHICH: Which;

    fn rows(tables: &Tables) -> &BTreeMap<Self::Key, Self>;
    fn rows_mut(tables: &mut Tables) -> &mut BTreeMap<Self::Key, Self>;
    fn things(things: &Things) -> &Vec<Thing<Self>>;
    fn things_mut(things: &mut Things) -> &mut Vec<Thing<Self>>;

    /// The columns in which two rows differ, save the version.
    fn differs(&self, other: &Self) -> Vec<&'static str>;

    /// One of them.
    fn copy(&mut self, from: &Self, column: &str);

    /// A key that the database has made.
    fn give_key(&mut self, _key: i32) {}

    fn revision(&self) -> Option<i32> {
        None
    }

    fn set_revision(&mut self, _revision: i32) {}

    fn set_parent(&mut self, _link: Link, _key: Option<i32>) {}

    /// A new one.
    fn make(state: &State, make: Make, name: String) -> Self;

    /// Changed in a column that nobody else cares about.
    fn alter(&mut self, with: u8);

    /// Two that exchange that column.
    fn swap(a: &mut Self, b: &mut Self);
}

/// One that a database can hold.
pub(in crate::models::programs) trait Object<C: Dialect>:
    Kind + Persist<C::Backend>
{
}

impl<C: Dialect, M: Kind + Persist<C::Backend>> Object<C> for M {}

fn columns(all: &[(&'static str, bool)]) -> Vec<&'static str> {
    all.iter().filter(|column| column.1).map(|column| column.0).collect()
}

impl Kind for Writer {
    const WHICH: Which = Which::Writer;

    fn rows(tables: &Tables) -> &BTreeMap<i32, Self> {
        &tables.writers
    }

    fn rows_mut(tables: &mut Tables) -> &mut BTreeMap<i32, Self> {
        &mut tables.writers
    }

    fn things(things: &Things) -> &Vec<Thing<Self>> {
        &things.writers
    }

    fn things_mut(things: &mut Things) -> &mut Vec<Thing<Self>> {
        &mut things.writers
    }

    fn differs(&self, other: &Self) -> Vec<&'static str> {
        columns(&[("name", self.name != other.name), ("grade", self.grade != other.grade)])
    }

    fn copy(&mut self, from: &Self, column: &str) {
        match column {
            "name" => self.name.clone_from(&from.name),
            _ => self.grade = from.grade,
        }
    }

    fn give_key(&mut self, key: i32) {
        self.id = key;
    }

    fn revision(&self) -> Option<i32> {
        Some(self.version)
    }

    fn set_revision(&mut self, revision: i32) {
        self.version = revision;
    }

    fn make(state: &State, make: Make, name: String) -> Self {
        Self {
            id: if make.keyed {
                key(state.key_of_one_deleted::<Self>(), make.with)
            } else {
                0
            },
            name: if make.wrong {
                format!("taken{}", make.with % 3)
            } else {
                name
            },
            grade: (!make.with.is_multiple_of(3)).then_some(i32::from(make.with)),
            version: 0,
        }
    }

    fn alter(&mut self, with: u8) {
        self.grade = (!with.is_multiple_of(4)).then_some(i32::from(with));
    }

    fn swap(a: &mut Self, b: &mut Self) {
        std::mem::swap(&mut a.grade, &mut b.grade);
    }
}

impl Kind for Topic {
    const WHICH: Which = Which::Topic;

    fn rows(tables: &Tables) -> &BTreeMap<String, Self> {
        &tables.topics
    }

    fn rows_mut(tables: &mut Tables) -> &mut BTreeMap<String, Self> {
        &mut tables.topics
    }

    fn things(things: &Things) -> &Vec<Thing<Self>> {
        &things.topics
    }

    fn things_mut(things: &mut Things) -> &mut Vec<Thing<Self>> {
        &mut things.topics
    }

    fn differs(&self, other: &Self) -> Vec<&'static str> {
        columns(&[
            ("name", self.name != other.name),
            ("note", self.note != other.note),
            ("weight", self.weight != other.weight),
        ])
    }

    fn copy(&mut self, from: &Self, column: &str) {
        match column {
            "name" => self.name.clone_from(&from.name),
            "note" => self.note.clone_from(&from.note),
            _ => self.weight = from.weight,
        }
    }

    fn make(state: &State, make: Make, name: String) -> Self {
        let taken = state.tables.topics.keys().nth(usize::from(make.with) % 4).cloned();
        let name = match (make.keyed, make.wrong && make.with.is_multiple_of(2)) {
            (true, _) => state.key_of_one_deleted::<Self>().unwrap_or(name),
            (_, true) => taken.unwrap_or(name),
            _ => name,
        };
        Self {
            name,
            note: (!make.wrong || make.with.is_multiple_of(2)).then(|| "note".to_owned()),
            weight: i32::from(make.with),
        }
    }

    fn alter(&mut self, with: u8) {
        self.weight = i32::from(with);
    }

    fn swap(a: &mut Self, b: &mut Self) {
        std::mem::swap(&mut a.weight, &mut b.weight);
    }
}

impl Kind for Letter {
    const WHICH: Which = Which::Letter;

    fn rows(tables: &Tables) -> &BTreeMap<i32, Self> {
        &tables.letters
    }

    fn rows_mut(tables: &mut Tables) -> &mut BTreeMap<i32, Self> {
        &mut tables.letters
    }

    fn things(things: &Things) -> &Vec<Thing<Self>> {
        &things.letters
    }

    fn things_mut(things: &mut Things) -> &mut Vec<Thing<Self>> {
        &mut things.letters
    }

    fn differs(&self, other: &Self) -> Vec<&'static str> {
        columns(&[
            ("text", self.text != other.text),
            ("writer_id", self.writer_id != other.writer_id),
            ("reply_to", self.reply_to != other.reply_to),
        ])
    }

    fn copy(&mut self, from: &Self, column: &str) {
        match column {
            "text" => self.text.clone_from(&from.text),
            "writer_id" => self.writer_id = from.writer_id,
            _ => self.reply_to = from.reply_to,
        }
    }

    fn give_key(&mut self, key: i32) {
        self.id = key;
    }

    fn set_parent(&mut self, link: Link, key: Option<i32>) {
        match link {
            Link::Writer => self.writer_id = key,
            Link::Reply => self.reply_to = key,
        }
    }

    fn make(state: &State, make: Make, name: String) -> Self {
        let of_row = state.tables.writers.keys().nth(usize::from(make.with) % 7).copied();
        Self {
            id: if make.keyed {
                key(state.key_of_one_deleted::<Self>(), make.with)
            } else {
                0
            },
            text: name,
            writer_id: if make.wrong { Some(-77) } else { of_row },
            reply_to: None,
        }
    }

    fn alter(&mut self, with: u8) {
        self.text = format!("text{with}");
    }

    fn swap(a: &mut Self, b: &mut Self) {
        std::mem::swap(&mut a.text, &mut b.text);
    }
}

/// One that the database never makes: of an object that is deleted, or a negative one.
fn key(deleted: Option<i32>, with: u8) -> i32 {
    deleted.unwrap_or(-1 - i32::from(with % 6))
}

impl State {
    fn key_of_one_deleted<M: Kind>(&self) -> Option<M::Key> {
        let mut things = self.of::<M>().iter().rev();
        let deleted = things.find(|thing| matches!(thing.stage, Stage::Doomed | Stage::Deleted))?;
        deleted.key.clone()
    }
}
