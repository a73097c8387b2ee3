//! What a verb may have written before it did anything else, and how it fails.
//!
//! A verb writes what is pending before it sends a statement, and whether it has to send one depends on what the session knows
//! already. The reference does not know that: it looks whether what waited is still waiting.

use std::collections::BTreeSet;
use std::error::Error as _;

use aludel::ErrorKind;
use aludel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::{Play, Stop, wrong};
use crate::models::programs::program::Which;
use crate::models::programs::reference::{Kind, Object, Stage, Thing, Trouble};
use crate::models::programs::tables::{Letter, Library, Topic, Writer};

/// How keys are learned that the database has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learn {
    /// The values are there.
    ByIndex,
    /// A statement may have made them old.
    ByReading,
}

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    /// What waits for a flush, as the reference has it.
    pub(super) fn waiting(&self) -> BTreeSet<String> {
        fn of<M: Kind>(things: &[Thing<M>], all: &mut BTreeSet<String>) {
            for thing in things.iter().filter(|thing| thing.waits()) {
                if let Some(entity) = thing.entity {
                    let stage = if thing.is_edited() { "edited" } else { word(thing.stage) };
                    all.insert(format!("{stage} {entity:?}"));
                }
            }
        }
        let mut all = BTreeSet::new();
        of(&self.reference.now.things.writers, &mut all);
        of(&self.reference.now.things.topics, &mut all);
        of(&self.reference.now.things.letters, &mut all);
        all
    }

    /// The same, as the session has it.
    pub(super) fn session_waits(session: &Session<C>) -> BTreeSet<String> {
        fn of<M: Object<C>, C: Library>(session: &Session<C>, all: &mut BTreeSet<String>) {
            let mut put = |word: &str, entities: Vec<Entity<M>>| {
                all.extend(entities.iter().map(|entity| format!("{word} {entity:?}")));
            };
            put(word(Stage::Pending), session.pending::<M>());
            put("edited", session.dirty::<M>());
            put(word(Stage::Doomed), session.deleted::<M>());
        }
        let mut all = BTreeSet::new();
        of::<Writer, C>(session, &mut all);
        of::<Topic, C>(session, &mut all);
        of::<Letter, C>(session, &mut all);
        all
    }

    /// Calls a verb. What it answers is that of the verb itself: if what was pending could not be written, or its own statement
    /// has failed for `own` reason and doomed the level, that is the end of the level.
    pub(super) fn around<T>(
        &mut self,
        session: &mut Session<C>,
        learn: Learn,
        own: Option<Trouble>,
        verb: impl FnOnce(&mut Session<C>) -> aludel::Result<T>,
    ) -> Result<aludel::Result<T>, Stop> {
        let waiting = self.waiting();
        let result = verb(session);
        match &result {
            Err(error) if session.is_doomed() => return Err(self.has_failed(session, error, own)),
            Ok(_) if session.is_doomed() => return wrong("it was done, and the level is doomed"),
            _ => {}
        }
        let left: BTreeSet<String> = Self::session_waits(session);
        let left: Vec<&String> = waiting.intersection(&left).collect();
        if waiting.is_empty() || left.len() == waiting.len() {
            return Ok(result);
        }
        if !left.is_empty() {
            return wrong(format!("of {waiting:?} it has left {left:?} unwritten"));
        }
        self.flushed(session, learn)?;
        Ok(result)
    }

    /// What was pending is written. Whether it could be is asked with the keys that were made: one may be that of a row which a
    /// rollback has taken, and which something names still.
    pub(super) fn flushed(&mut self, session: &mut Session<C>, learn: Learn) -> Result<(), Stop> {
        // Where rows are deleted, others that hang on them are read again.
        let learn = if self.deletes() { Learn::ByReading } else { learn };
        let mut problem = None;
        let mut made = BTreeSet::new();
        let now = &self.reference.now;
        let forecast = now.flush(&mut |which, at| {
            let key = match which {
                Which::Writer => learned::<Writer, C>(session, &now.things.writers[at], learn),
                _ => learned::<Letter, C>(session, &now.things.letters[at], learn),
            };
            match key {
                Ok(key) if key > 0 && made.insert((which == Which::Writer, key)) => key,
                Ok(key) => {
                    problem = Some(format!("the key {key} was made twice, or not at all"));
                    key
                }
                Err(text) => {
                    problem = Some(text);
                    i32::MIN
                }
            }
        });
        if let Some(text) = problem {
            return wrong(text);
        }
        if !forecast.must.is_empty() {
            return wrong(format!("it was written, in spite of {:?}", forecast.must));
        }
        self.reference.now = forecast.after;
        Ok(())
    }

    fn deletes(&self) -> bool {
        fn any<M: Kind>(things: &[Thing<M>]) -> bool {
            things.iter().any(|thing| thing.stage == Stage::Doomed)
        }
        let things = &self.reference.now.things;
        any(&things.writers) || any(&things.topics) || any(&things.letters)
    }

    /// Why a flush must fail, and why it may.
    pub(super) fn forecast(&self) -> (BTreeSet<Trouble>, BTreeSet<Trouble>) {
        let mut next = i32::MIN;
        let forecast = self.reference.now.flush(&mut |_, _| {
            next += 1;
            next
        });
        (forecast.must, forecast.may)
    }

    /// A verb has doomed the level.
    pub(super) fn has_failed(&mut self, session: &mut Session<C>, error: &aludel::Error, own: Option<Trouble>) -> Stop {
        if let Err(stop) = self.failure_was_expected(error, own) {
            return stop;
        }
        if !session.is_doomed() {
            return Stop::Wrong(format!("the level is not doomed by: {error}"));
        }
        Stop::Doomed
    }

    pub(super) fn failure_was_expected(&mut self, error: &aludel::Error, own: Option<Trouble>) -> Result<(), Stop> {
        self.with(format!("fails: {error}"));
        let (must, may) = self.forecast();
        let expected: BTreeSet<Trouble> = must.union(&may).copied().chain(own).collect();
        match trouble(error) {
            Some(found) if expected.contains(&found) => Ok(()),
            found => wrong(format!(
                "it fails for {found:?}, and the reference knows {expected:?}: {error}"
            )),
        }
    }
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Pending => "pending",
        Stage::Doomed => "doomed",
        Stage::Persistent | Stage::Deleted | Stage::Gone => "nothing",
    }
}

/// The key of an object that was added, and is written now, or was deleted with its parent.
fn learned<M: Object<C> + Kind<Key = i32>, C: Library>(
    session: &mut Session<C>,
    thing: &Thing<M>,
    learn: Learn,
) -> Result<i32, String> {
    let entity = thing.entity.ok_or("what was added is known")?;
    if session.state(entity) == aludel::ObjectState::Detached {
        // It went with its parent; the reference needs no key for it.
        return Err(format!("{entity:?} has left when it was written"));
    }
    let key = match learn {
        Learn::ByIndex => session[entity].key(),
        Learn::ByReading => session
            .no_autoflush(|session| session.read(entity).map(Model::key))
            .map_err(|error| format!("{entity:?} was written, and cannot be read: {error}"))?,
    };
    key.ok_or_else(|| format!("{entity:?} was written, and has no key"))
}

/// What the reference calls it.
pub(super) fn trouble(error: &aludel::Error) -> Option<Trouble> {
    if error.is_version_conflict() {
        return Some(Trouble::Conflict);
    }
    if error.is_not_found() {
        return Some(Trouble::NotFound);
    }
    if error.kind() == ErrorKind::Misuse {
        return Some(Trouble::Misuse);
    }
    let diesel = error
        .as_diesel()
        .or_else(|| error.source()?.downcast_ref::<DieselError>())?;
    match diesel {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Some(Trouble::Unique),
        DieselError::DatabaseError(DatabaseErrorKind::NotNullViolation, _) => Some(Trouble::NotNull),
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Some(Trouble::ForeignKey),
        _ => None,
    }
}
