//! One thing that one caller at a time may have.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::clock::Clock;
use crate::error::Exit;
use crate::sync::{Arc, Condvar, Mutex, PoisonError, lock, thread_number};

/// A thing on loan to one caller at a time, such as the only connection of a sandbox. For the layers above.
#[doc(hidden)]
pub struct Only<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    /// It has come back, or the owner wants it back, or somebody who waits was told to stop.
    changed: Condvar,
}

struct State<T> {
    thing: Option<T>,
    /// The thread that has it, or had it last, and where it took it.
    holder: Option<(u64, &'static Location<'static>)>,
    /// Its owner has taken it back, or will once it is returned.
    over: bool,
}

/// Why somebody did not get it.
#[doc(hidden)]
#[derive(Debug)]
pub enum NotHad {
    /// The caller's own thread has it, or another one has had it for all of the caller's patience: taken at this place.
    Held(&'static Location<'static>),
    /// Its owner has taken it back.
    Over,
    /// The caller was told to stop.
    Stopped(Exit),
}

impl<T: Send + 'static> Only<T> {
    /// Something to lend.
    pub fn new(thing: T) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                thing: Some(thing),
                holder: None,
                over: false,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Takes it. Whoever has it on the same thread cannot give it back while this waits, so that fails at once.
    ///
    /// # Errors
    ///
    /// When somebody else has it, and keeps it.
    pub fn take(
        &self,
        place: &'static Location<'static>,
        clock: &Clock,
        patience: Duration,
        token: &CancelToken,
    ) -> Result<T, NotHad> {
        let me = thread_number();
        let mut state = lock(&self.0.state);
        if let Some(thing) = state.lend(me, place) {
            return Ok(thing);
        }
        drop(state);
        let shared = Arc::clone(&self.0);
        // Under the lock, so that it comes while the waiter waits or before it looks.
        let _waking = token.on_cancel(move || {
            let _state = lock(&shared.state);
            shared.changed.notify_all();
        });
        let deadline = clock.now().checked_add(patience);
        state = lock(&self.0.state);
        loop {
            token.check().map_err(NotHad::Stopped)?;
            if let Some(thing) = state.lend(me, place) {
                return Ok(thing);
            }
            if state.over {
                return Err(NotHad::Over);
            }
            if let Some((holder, place)) = state.holder
                && (holder == me || deadline.is_some_and(|deadline| clock.now() >= deadline))
            {
                return Err(NotHad::Held(place));
            }
            state = match deadline {
                Some(deadline) => clock.wait_until(&self.0.changed, state, deadline),
                None => self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Gives it back; answers it where its owner does not want it any more.
    pub fn put(&self, thing: T) -> Option<T> {
        let mut state = lock(&self.0.state);
        if state.over {
            return Some(thing);
        }
        state.thing = Some(thing);
        drop(state);
        self.0.changed.notify_all();
        None
    }

    /// Its owner takes it back: now, if it is there, and else from whoever returns it.
    pub fn end(&self) -> Option<T> {
        let mut state = lock(&self.0.state);
        state.over = true;
        let thing = state.thing.take();
        drop(state);
        self.0.changed.notify_all();
        thing
    }
}

impl<T> State<T> {
    fn lend(&mut self, to: u64, at: &'static Location<'static>) -> Option<T> {
        let thing = self.thing.take()?;
        self.holder = Some((to, at));
        Some(thing)
    }
}

impl<T> Clone for Only<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Only<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Only")
    }
}
