//! Who keeps count of a call's runs, and writes its steps.

use std::cell::Cell;

use aludel::Phase;
use aludel::prelude::*;

use super::databases::{Damage, Grounds};
use super::ground::Scene;
use super::told::write;
use crate::wire::rules::Step;

/// The one call of a scene.
#[derive(Debug)]
pub(super) struct Diary<'s, C: Grounds> {
    pub(super) scene: &'s Scene<'s, C>,
    runs: Cell<u32>,
    /// Before which step the next statement of a phase is to be struck, once.
    blow: Cell<Option<(u32, Phase, Damage)>>,
}

impl<'s, C: Grounds> Diary<'s, C> {
    /// One in which nothing was written.
    pub(super) fn new(scene: &'s Scene<'s, C>) -> Self {
        Self {
            scene,
            runs: Cell::new(0),
            blow: Cell::new(None),
        }
    }

    /// Before the step with this number the next statement of this phase is struck, in the first run.
    pub(super) fn struck(self, step: u32, phase: Phase, damage: Damage) -> Self {
        self.blow.set(Some((step, phase, damage)));
        self
    }

    /// The body of the outermost one begins.
    pub(super) fn begins(&self) {
        self.runs.set(self.runs.get() + 1);
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs.get()
    }

    /// Writes a step of the run.
    pub(super) fn step(&self, session: &mut Session<C>, number: u32) -> aludel::Result<()> {
        if let Some((step, phase, damage)) = self.blow.get()
            && step == number
        {
            self.blow.set(None);
            assert!(self.scene.strike(phase, damage), "{damage:?} cannot happen here");
        }
        let step = Step {
            call: self.scene.call(),
            run: self.runs(),
            number,
        };
        Ok(write(session, step, number.is_multiple_of(2))?)
    }
}

/// Whether it can happen on this database.
pub(super) fn happens<C: Grounds>(damage: Damage) -> bool {
    damage.cuts() || C::words(damage).is_some()
}
