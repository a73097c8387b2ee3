//! The session's side.

use aludel::prelude::*;
use aludel::{Dialect, Persist};
use diesel::prelude::*;

use crate::entry::{Entry, amount, entries};

/// An engine as it comes.
pub(crate) struct Ours<C: Dialect>(Engine<C>);

impl<C> Ours<C>
where
    C: Loads,
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
            let entries = C::load_all(session)?;
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
pub(crate) trait Loads: Dialect {
    fn load_all(session: &mut Session<Self>) -> aludel::Result<Vec<Entity<Entry>>>;
}

macro_rules! loads {
    ($($connection:ty),*) => {$(
        impl Loads for $connection {
            fn load_all(session: &mut Session<Self>) -> aludel::Result<Vec<Entity<Entry>>> {
                session.query::<Entry, _>(entries::table.order(entries::id))
            }
        }
    )*};
}
loads!(diesel::SqliteConnection, diesel::MysqlConnection);

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
