//! Hooks that wait for the outermost commit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel_core::Dialect;

use super::Session;
use crate::transaction::scope::Change;

/// Hooks in the order of their registration, each with the savepoint that it depends on.
#[derive(Default)]
pub(super) struct Hooks(Vec<Hook>);

struct Hook {
    /// Depth at which it was registered; undoing that savepoint drops it.
    depth: usize,
    /// It was there before the root began, and waits for the next one if this one is rolled back.
    carried: bool,
    run: Box<dyn FnOnce() + Send>,
}

impl<C: Dialect> Session<C> {
    /// Runs `hook` after the next commit of the root, outside the transaction. A rollback of the transaction that it was
    /// registered in drops it, and so does rolling back to a savepoint that was open then; one that was registered before
    /// a `begin` or a `#[retry]` waits through their reruns. [`rollback`](Self::rollback) drops all, and after a COMMIT of
    /// unknown outcome none runs.
    ///
    /// In AUTOCOMMIT there is nothing to wait for, and it runs at once.
    ///
    /// This is the place for whatever the rest of the world sees: messages, mails, files. A panic in it is logged and
    /// changes nothing: the commit has happened.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let told = Arc::new(AtomicBool::new(false));
    /// let tell = Arc::clone(&told);
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.begin(|session| {
    ///     session.on_commit(move || tell.store(true, Ordering::Relaxed));
    ///     assert!(!told.load(Ordering::Relaxed)); // not yet
    ///     Ok(())
    /// })?;
    /// assert!(told.load(Ordering::Relaxed));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        if self.connection.stands_in_autocommit() {
            run(hook);
            return;
        }
        let depth = self.connection.transaction.depth();
        self.hooks.0.push(Hook {
            depth,
            carried: false,
            run: Box::new(hook),
        });
    }
}

impl Hooks {
    #[inline]
    pub(super) fn follow(&mut self, change: Change) {
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
            Change::Superseded => {}
            Change::RolledBack => self.0.retain(|hook| hook.carried),
            Change::Abandoned => self.0.clear(),
            Change::RolledBackTo(depth) => self.0.retain(|hook| hook.depth < depth),
            Change::Released(depth) => {
                for hook in &mut self.0 {
                    hook.depth = hook.depth.min(depth - 1);
                }
            }
            Change::Committed => {
                for hook in std::mem::take(&mut self.0) {
                    run(hook.run);
                }
            }
        }
    }
}

fn run(hook: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        tracing::error!(target: "aludel.session", "an on_commit hook panicked; the commit stands");
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.0.len())
    }
}
