//! What becomes of an error on its way out of the body.

use std::error::Error as StdError;
use std::fmt;

use aludel::prelude::*;
use aludel::{Error, Flavour, Phase};

use super::databases::{Damage, Grounds};
use super::diary::{Diary, happens};
use super::ground::Ground;
use crate::wire::rules::Again;

/// What a program makes of our errors.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It keeps them.
    Ours(Error),
    /// They are somewhere inside of an error of its own.
    Wrapped(Box<dyn StdError + Send + Sync>),
    /// Nothing is left of them but their text.
    Text(String),
}

impl Trouble {
    /// Ours, if it was kept.
    pub(super) fn ours(&self) -> Option<&Error> {
        match self {
            Self::Ours(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self::Ours(error.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(error) => error.fmt(f),
            Self::Wrapped(error) => error.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What is done with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Passed,
    Wrapped,
    Text,
    Swallowed,
}

impl Treatment {
    pub(super) const ALL: [Self; 4] = [Self::Passed, Self::Wrapped, Self::Text, Self::Swallowed];

    /// Does it.
    pub(super) fn of<E: Into<Trouble>>(self, result: Result<(), E>) -> Result<(), Trouble> {
        let Err(trouble) = result.map_err(Into::into) else {
            return Ok(());
        };
        match self {
            Self::Passed => Err(trouble),
            Self::Wrapped => Err(Trouble::Wrapped(format!("no luck: {trouble}").into())),
            Self::Text => Err(Trouble::Text(trouble.to_string())),
            Self::Swallowed => Ok(()),
        }
    }
}

#[retry(attempts = 3)]
fn treats<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, treatment: Treatment) -> Result<(), Trouble> {
    diary.begins();
    diary.step(session, 1)?;
    let failed = session.begin_nested_with(|nested| -> Result<(), Trouble> {
        diary.step(nested, 2)?;
        treatment.of(diary.step(nested, 3))
    });
    treatment.of(failed)
}

/// Wrapped, turned into a text, or passed on: the session has seen it, and its transaction runs again.
///
/// # Panics
///
/// If it is not so.
pub fn whatever_becomes_of_an_error_its_transaction_runs_again<C: Grounds>() {
    let ground = Ground::<C>::open("treated");
    for treatment in Treatment::ALL {
        for phase in [Phase::Savepoint, Phase::Statement, Phase::Release] {
            for damage in [
                Damage::Conflict,
                Damage::Wait,
                Damage::Demoted,
                Damage::CutBefore,
                Damage::CutAfter,
            ] {
                if treatment == Treatment::Swallowed || !happens::<C>(damage) {
                    continue;
                }
                let case = format!("{treatment:?}, {phase:?}, {damage:?}");
                let scene = ground.scene();
                let place = if phase == Phase::Savepoint { 1 } else { 3 };
                let diary = Diary::new(&scene).struck(place, phase, damage);
                let done = treats(&mut scene.engine.session(), &diary, treatment);
                let runs = diary.runs();
                let told = scene.end_by_the_rules(|_| Again::Known);
                done.unwrap_or_else(|error| panic!("{case}: {error}\n{told}"));
                assert_eq!((runs, told.committed()), (2, 3), "{case}\n{told}");
            }
        }
    }
}

/// Swallowed: where the database has undone the statement alone the rest is committed, and where it has undone more, or
/// nobody knows, the transaction runs again; a part of it is never committed as if it were all.
///
/// # Panics
///
/// If it is not so.
pub fn a_swallowed_error_is_never_committed_over<C: Grounds>() {
    let ground = Ground::<C>::open("swallowed");
    for damage in Damage::ALL {
        if !happens::<C>(damage) {
            continue;
        }
        let scene = ground.scene();
        let diary = Diary::new(&scene).struck(3, Phase::Statement, damage);
        let result = treats(&mut scene.engine.session(), &diary, Treatment::Swallowed);
        let runs = diary.runs();
        let told = scene.end_by_the_rules(|_| Again::Known);
        let case = format!("{damage:?}: {result:?}\n{told}");
        // The proxy's conflicts are words: asked whether the transaction stands, MariaDB says that it does.
        let stands = C::FLAVOUR != Flavour::PostgreSql && !damage.cuts() && damage != Damage::Demoted;
        match (stands, damage) {
            (true, _) => {
                assert!(result.is_ok(), "{case}");
                assert_eq!((runs, told.committed()), (1, 2), "{case}");
            }
            // The savepoint is rolled back to, and the rest is as its owner wants it.
            (false, _) if C::FLAVOUR == Flavour::PostgreSql && !damage.cuts() && damage != Damage::Demoted => {
                assert!(result.is_ok(), "{case}");
                assert_eq!((runs, told.committed()), (1, 1), "{case}");
            }
            (false, _) => {
                assert!(result.is_ok(), "{case}");
                assert_eq!((runs, told.committed()), (2, 3), "{case}");
            }
        }
    }
}
