//! An ambient session as what transactions run on.
//!
//! It is borrowed to enter a level and to leave it. The function in between reaches it through `current`, and so do the ambient
//! functions that it calls; nobody holds it but whoever is about to send something.

use std::rc::Rc;
use std::sync::Arc;

use aludel_core::clock::Clock;
use aludel_core::retry::Retries;
use aludel_core::{CancelToken, Dialect, Error, Event, Flavour, Result, RetryPolicy};

use super::find::name_of;
use super::slot::{self, Slot};
use super::{Ambient, Place};
use crate::once::{Claim, OnceKey};
use crate::session::Session;
use crate::transaction::scope::{self, Begun, Stand, Unit as _};
use crate::transaction::stage::{Asked, Entry, Failed, Frame, Stage, Way};

/// A session behind a `dyn`, as its scope lends it.
pub(super) trait Lent: Stage {
    /// A number that no other session has.
    fn number(&self) -> u64;

    fn begun_at(&mut self, place: Place) -> Result<Begun>;

    fn stand_at(&mut self, asked: Asked, place: Place) -> Result<Stand>;

    /// Whether the frame is the innermost one.
    fn has_innermost(&mut self, frame: Frame) -> bool;

    /// Ends what the frame has begun, and whatever was left open above it.
    fn give_up(&mut self, frame: Frame);
}

impl<C: Dialect> Lent for Session<C> {
    fn number(&self) -> u64 {
        Self::number(self)
    }

    fn begun_at(&mut self, place: Place) -> Result<Begun> {
        scope::begun(self, place)
    }

    fn stand_at(&mut self, asked: Asked, place: Place) -> Result<Stand> {
        scope::stand_at(self, asked, place)
    }

    fn has_innermost(&mut self, frame: Frame) -> bool {
        self.connection().transaction.has_innermost(frame)
    }

    fn give_up(&mut self, frame: Frame) {
        frame.give_up(self);
    }
}

/// The session of a scope, borrowed for each call.
pub(crate) struct AmbientStage {
    slot: Rc<dyn Slot>,
    place: Place,
    /// Which session was entered, which need not be the one that is there at the end.
    entered: u64,
}

impl AmbientStage {
    /// The session that is meant, for a caller at this place.
    pub(crate) fn of(ambient: Ambient<'_>, place: Place) -> Result<Self> {
        Ok(Self::on(ambient.find()?, place))
    }

    fn on(slot: Rc<dyn Slot>, place: Place) -> Self {
        Self {
            slot,
            place,
            entered: 0,
        }
    }
}

impl Stage for AmbientStage {
    fn begun(&mut self) -> Result<Begun> {
        self.slot.lend_any(self.place)?.begun_at(self.place)
    }

    fn stand(&mut self, asked: Asked) -> Result<Stand> {
        self.slot.lend_any(self.place)?.stand_at(asked, self.place)
    }

    fn aside<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> Result<R> {
        let slot = self.slot.beside(self.place)?;
        let mut sibling = Self::on(Rc::clone(&slot), self.place);
        Ok(slot::within(&slot, || f(&mut sibling)))
    }

    fn enter(&mut self, entry: Entry) -> Result<Frame> {
        let mut session = self.slot.lend_any(self.place)?;
        let frame = session.enter(entry)?;
        self.entered = session.number();
        Ok(frame)
    }

    fn leave(&mut self, frame: Frame, way: Way) -> std::result::Result<(), Failed> {
        let mut session = match self.slot.lend_any(self.place) {
            Ok(session) => session,
            Err(error) => return Err(Failed::beside(way, error)),
        };
        if session.number() != self.entered {
            return Err(Failed::beside(way, replaced(&*self.slot)));
        }
        if !session.has_innermost(frame) {
            session.give_up(frame);
            return Err(Failed::beside(way, not_innermost(&*self.slot)));
        }
        session.leave(frame, way)
    }

    fn claim(&mut self, key: &OnceKey) -> Result<Claim> {
        self.slot.lend_any(self.place)?.claim(key)
    }

    fn keep(&mut self, key: &OnceKey, result: &str) -> Result<()> {
        self.slot.lend_any(self.place)?.keep(key, result)
    }

    fn forget_faults(&mut self) {
        if let Ok(mut session) = self.slot.lend_any(self.place) {
            session.forget_faults();
        }
    }

    fn give_up_hooks(&mut self) {
        if let Ok(mut session) = self.slot.lend_any(self.place) {
            session.give_up_hooks();
        }
    }

    fn clock(&mut self) -> Clock {
        self.slot.clock()
    }

    fn flavour(&self) -> Flavour {
        self.slot.flavour()
    }

    fn retry_policy(&mut self) -> RetryPolicy {
        self.slot.retry_policy()
    }

    fn has_succeeded(&mut self) {
        self.slot.retries().tokens().earn();
    }

    fn retries(&mut self) -> Arc<Retries> {
        Arc::clone(self.slot.retries())
    }

    fn token(&mut self) -> CancelToken {
        self.slot.token()
    }

    fn emit(&mut self, event: &Event<'_>) {
        self.slot.emit(event);
    }
}

fn replaced(slot: &dyn Slot) -> Error {
    Error::misuse(format!(
        "another session was put in the place of the ambient session of {}, inside a function that had begun or joined a \
         transaction of that one; what was done in it is committed by nobody here",
        name_of(slot)
    ))
}

fn not_innermost(slot: &dyn Slot) -> Error {
    Error::misuse(format!(
        "the ambient session of {} came back with other transactions or savepoints open than it was lent with, and was \
         rolled back: it was put somewhere else, or another one in its place, inside begin or begin_nested",
        name_of(slot)
    ))
}
