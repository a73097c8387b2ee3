//! Hooks that wait for the end of a transaction, each bound to the savepoint that it was registered in.
//!
//! A hook is a closure that has neither session nor connection, so it belongs to the transaction and not to the objects on top
//! of it: where a session was lent a transaction, what it has registered waits there for whoever commits it.
//!
//! **Invariant:** of two hooks that were registered together, one for either end, exactly one runs, and the other is dropped
//! in that moment; both are dropped where nobody knows how the transaction has ended.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::scope::Change;

/// Hooks in the order of their registration.
#[derive(Default)]
pub(crate) struct Hooks(Vec<Hook>);

struct Hook {
    awaits: Awaits,
    /// Depth at which it was registered; undoing that savepoint decides about it.
    depth: usize,
    /// It was there before the root began, and waits for the next one if this one is rolled back.
    carried: bool,
    /// Where it was registered.
    place: &'static Location<'static>,
    run: Unshared<Box<dyn FnOnce() + Send>>,
}

/// What nobody shares, as no session is shared, in a lock that nobody takes: so that the compiler, where somebody tries to share
/// a session, names the marker type that says why not, and not each closure in it.
pub(crate) struct Unshared<T>(Mutex<T>);

impl<T> Unshared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hooks that wait for a commit which does not come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured(Arc<Mutex<Hooks>>);

impl Captured {
    /// No hook is run or dropped under the lock.
    pub(super) fn hold<T>(&self, f: impl FnOnce(&mut Hooks) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where they were registered.
    pub(crate) fn places(&self) -> Vec<&'static Location<'static>> {
        self.hold(|hooks| hooks.0.iter().map(|hook| hook.place).collect())
    }

    pub(crate) fn take(&self) -> Vec<Box<dyn FnOnce() + Send>> {
        let hooks = self.hold(std::mem::take);
        hooks.0.into_iter().map(|hook| hook.run.into_inner()).collect()
    }
}

/// The end that a hook waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// `on_commit`.
    Commit,
    /// `on_rollback`.
    Rollback,
}

impl Awaits {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "on_commit",
            Self::Rollback => "on_rollback",
        }
    }
}

impl Hooks {
    #[track_caller]
    pub(crate) fn register(&mut self, awaits: Awaits, depth: usize, run: Box<dyn FnOnce() + Send>) {
        self.0.push(Hook {
            awaits,
            depth,
            carried: false,
            place: Location::caller(),
            run: Unshared::new(run),
        });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn append(&mut self, others: &mut Self) {
        self.0.append(&mut others.0);
    }

    /// What they wait for is the end of somebody else's transaction from now on, at its savepoint of this depth.
    pub(super) fn move_to(&mut self, others: &mut Self, depth: usize) {
        for hook in &mut self.0 {
            (hook.depth, hook.carried) = (depth, false);
        }
        others.append(self);
    }

    /// Those that wait for a rollback wait in vain.
    pub(super) fn drop_those_for_a_rollback(&mut self) {
        self.end(|hook| hook.awaits == Awaits::Rollback, None);
    }

    #[inline]
    pub(crate) fn follow(&mut self, change: Change) {
        if !self.0.is_empty() {
            self.each_follows(change);
        }
    }

    fn each_follows(&mut self, change: Change) {
        match change {
            Change::Beginning => {
                for hook in &mut self.0 {
                    hook.carried = true;
                    hook.depth = 0;
                }
            }
            Change::NotBegun | Change::Begun | Change::Savepoint(_) | Change::Superseded => {}
            Change::Committed => self.end(|_| true, Some(Awaits::Commit)),
            Change::RolledBack => self.end(|hook| !hook.carried, Some(Awaits::Rollback)),
            Change::Unknown => self.end(|hook| !hook.carried, None),
            Change::Abandoned | Change::Closed => self.end(|_| true, Some(Awaits::Rollback)),
            Change::Forgotten => self.end(|_| true, None),
            Change::RolledBackTo(depth) => self.end(|hook| hook.depth >= depth, Some(Awaits::Rollback)),
            Change::Released(depth) => {
                for hook in &mut self.0 {
                    hook.depth = hook.depth.min(depth - 1);
                }
            }
        }
    }

    /// What these have waited for has happened, or cannot happen any more.
    fn end(&mut self, these: impl Fn(&Hook) -> bool, happened: Option<Awaits>) {
        let (over, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(these);
        self.0 = waiting;
        for hook in over {
            hook.end(happened);
        }
    }
}

impl Hook {
    /// Runs or is dropped; either runs code of the user's, and changes nothing of what has happened.
    fn end(self, happened: Option<Awaits>) {
        let Self { awaits, place, run, .. } = self;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if happened == Some(awaits) {
                (run.into_inner())();
            } else {
                drop(run);
            }
        }));
        if ended.is_err() {
            tracing::error!(
                target: "aludel.session",
                "an {} hook, registered at {place}, panicked; what it had waited for stands, and the others run",
                awaits.name()
            );
        }
    }
}

/// Runs at once, as one whose turn has come.
#[track_caller]
pub(crate) fn run_now(awaits: Awaits, run: impl FnOnce() + Send + 'static) {
    let mut hooks = Hooks::default();
    hooks.register(awaits, 0, Box::new(run));
    hooks.end(|_| true, Some(awaits));
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.0.len())
    }
}
