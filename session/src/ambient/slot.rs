//! The scopes of a thread, each with its session.
//!
//! The stack is a chain: each scope knows the one around it, and a variable of the thread knows the innermost. `scoped_tls`
//! puts that variable back when a scope ends, however it does.
//!
//! **Invariant:** [`Scope`] is the one place of this crate where a session is behind interior mutability. A session is reached
//! from anywhere in a call chain there, so no borrow checker sees who has it, and the cell does. A borrow is only ever
//! tried, and a session that is in use is an error.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use aludel_core::clock::Clock;
use aludel_core::retry::Retries;
use aludel_core::{CancelToken, Dialect, Engine, Error, Event, Flavour, Result, RetryPolicy};

use super::Place;
use super::find::{connection_name, name_of};
use super::stage::Lent;
use crate::session::Session;
use crate::transaction::scope;

scoped_tls::scoped_thread_local!(static INNERMOST: Rc<dyn Slot>);

/// One scope, whatever its connection is.
pub(super) trait Slot: Any {
    /// The scope around it.
    fn outer(&self) -> Option<&Rc<dyn Slot>>;

    /// Where it began.
    fn place(&self) -> Place;

    /// The engine's logging name.
    fn engine_name(&self) -> &str;

    /// Which connection its engine makes.
    fn connection(&self) -> TypeId;

    /// The same in words.
    fn connection_name(&self) -> &'static str;

    fn flavour(&self) -> Flavour;

    fn clock(&self) -> Clock;

    fn retry_policy(&self) -> RetryPolicy;

    fn retries(&self) -> &Arc<Retries>;

    /// The token that the session obeys.
    fn token(&self) -> CancelToken;

    fn emit(&self, event: &Event<'_>);

    /// Lends the session to whoever enters or leaves a level.
    fn lend_any(&self, place: Place) -> Result<RefMut<'_, dyn Lent>>;

    /// A scope with another session of the same engine.
    fn beside(&self, place: Place) -> Result<Rc<dyn Slot>>;
}

/// A scope.
pub(super) struct Scope<C: Dialect> {
    outer: Option<Rc<dyn Slot>>,
    place: Place,
    engine: Engine<C>,
    /// Who was lent the session last; while it cannot be borrowed, who has it.
    lent_at: Cell<Place>,
    session: RefCell<Session<C>>,
}

impl<C: Dialect> Scope<C> {
    pub(super) fn new(session: Session<C>, place: Place) -> Self {
        Self {
            outer: innermost(),
            place,
            engine: session.engine().clone(),
            lent_at: Cell::new(place),
            session: RefCell::new(session),
        }
    }

    /// Lends the session, unless somebody has it.
    pub(super) fn lend(&self, place: Place) -> Result<RefMut<'_, Session<C>>> {
        match self.session.try_borrow_mut() {
            Ok(session) => {
                self.lent_at.set(place);
                Ok(session)
            }
            Err(_) => Err(in_use(self, self.lent_at.get(), place)),
        }
    }
}

impl<C: Dialect> Slot for Scope<C> {
    fn outer(&self) -> Option<&Rc<dyn Slot>> {
        self.outer.as_ref()
    }

    fn place(&self) -> Place {
        self.place
    }

    fn engine_name(&self) -> &str {
        self.engine.logging_name()
    }

    fn connection(&self) -> TypeId {
        TypeId::of::<C>()
    }

    fn connection_name(&self) -> &'static str {
        connection_name::<C>()
    }

    fn flavour(&self) -> Flavour {
        C::FLAVOUR
    }

    fn clock(&self) -> Clock {
        self.engine.clock().clone()
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.engine.retry_policy()
    }

    fn retries(&self) -> &Arc<Retries> {
        self.engine.retries()
    }

    fn token(&self) -> CancelToken {
        match self.session.try_borrow() {
            Ok(session) => session.cancel_token().clone(),
            Err(_) => self.engine.cancel_token(),
        }
    }

    fn emit(&self, event: &Event<'_>) {
        self.engine.emit(event);
    }

    fn lend_any(&self, place: Place) -> Result<RefMut<'_, dyn Lent>> {
        let session = self.lend(place)?;
        Ok(RefMut::map(session, |session| session as &mut dyn Lent))
    }

    fn beside(&self, place: Place) -> Result<Rc<dyn Slot>> {
        let mut session = self.lend(place)?;
        scope::refuse_aside(&mut *session)?;
        let sibling = session.sibling_at(place);
        drop(session);
        Ok(Rc::new(Self::new(sibling, place)))
    }
}

/// The innermost scope of this thread.
pub(super) fn innermost() -> Option<Rc<dyn Slot>> {
    INNERMOST.is_set().then(|| INNERMOST.with(Rc::clone))
}

/// Runs the closure with `slot` as the innermost scope.
pub(super) fn within<R>(slot: &Rc<dyn Slot>, f: impl FnOnce() -> R) -> R {
    INNERMOST.set(slot, f)
}

#[cold]
fn in_use(slot: &dyn Slot, lent_at: Place, place: Place) -> Error {
    Error::misuse(format!(
        "the ambient session of {} is in use: {lent_at} has it, and {place}, which wants it, is called from there (from a \
         `current` closure, a loop over its rows, or a hook or listener that runs while it begins or commits); let that end \
         first, hand the session that is there on as a parameter, or give the inner part engine.scope of its own",
        name_of(slot)
    ))
}
