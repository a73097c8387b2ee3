//! The session's side.

use aludel::prelude::*;
use aludel::{Dialect, Persist};

use crate::entry::{Entry, amount};

/// An engine as it comes.
pub(crate) struct Ours<C: Dialect>(Engine<C>);

impl<C> Ours<C>
where
    C: Dialect,
    Entry: Persist<C::Backend>,
{
    pub(crate) fn open(url: &str) -> Self {
        Self(Engine::new(url).expect("the URL is a good one"))
    }

    pub(crate) fn engine(&self) -> &Engine<C> {
        &self.0
    }

    /// A transaction that adds new objects, flushes them and learns their keys.
    #[inline(never)]
    pub(crate) fn insert(&self, values: &[Entry]) -> Vec<i64> {
        let written = self.0.begin(|session| {
            let added = add(session, values);
            session.flush()?;
            Ok(added.into_iter().map(|entry| session[entry].id).collect())
        });
        written.expect("there is nothing in the way")
    }

    /// A transaction that loads all objects and changes a column of each.
    #[inline(never)]
    pub(crate) fn update(&self, round: u32) -> usize {
        let written = self.0.begin(|session| {
            let entries = load(session)?;
            edit(session, &entries, round)?;
            Ok(entries.len())
        });
        written.expect("there is nothing in the way")
    }
}

pub(crate) fn add<C>(session: &mut Session<C>, values: &[Entry]) -> Vec<Entity<Entry>>
where
    C: Dialect,
    Entry: Persist<C::Backend>,
{
    values.iter().map(|value| session.add(value.clone())).collect()
}

/// All that there are, in the order of their keys.
pub(crate) fn load<C>(session: &mut Session<C>) -> aludel::Result<Vec<Entity<Entry>>>
where
    C: Dialect,
    Entry: Persist<C::Backend>,
{
    let mut entries = Vec::new();
    for key in 1_i64.. {
        match session.get::<Entry>(key)? {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    Ok(entries)
}

pub(crate) fn edit<C>(session: &mut Session<C>, entries: &[Entity<Entry>], round: u32) -> aludel::Result<()>
where
    C: Dialect,
    Entry: Persist<C::Backend>,
{
    for (number, entry) in entries.iter().enumerate() {
        session.edit(*entry)?.amount = amount(number, round);
    }
    Ok(())
}
