//! Hooks of a session: before its commit, with the session; after it or after its rollback, without.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use aludel_core::{Dialect, Error, Result};

use super::Session;
use crate::transaction::hooks::{Awaits, Unshared, run_now};
use crate::transaction::scope::Change;

/// What a `before_commit` hook of one session is: kept until the commit has succeeded, since a rerun needs it again.
type Run<C> = Unshared<Box<dyn FnMut(&mut Session<C>) -> Result<()> + Send>>;

/// What one of a factory is.
pub(crate) type SharedRun<C> = Arc<dyn Fn(&mut Session<C>) -> Result<()> + Send + Sync>;

/// Rounds of hooks that register further hooks, as SQLAlchemy has rounds of flushes. More are a mistake that would never end.
const ROUNDS: usize = 100;

/// Hooks that run inside the transaction, in the order of their registration.
pub(super) struct BeforeCommit<C: Dialect>(Vec<Hook<C>>);

struct Hook<C: Dialect> {
    /// Depth at which it was registered; undoing that savepoint drops it.
    depth: usize,
    /// It was there before the root began, and waits for the next one if this one is rolled back.
    carried: bool,
    /// It has run in this transaction.
    done: bool,
    run: Run<C>,
}

impl<C: Dialect> Session<C> {
    /// Runs `hook` after the next commit of the outermost transaction, outside of it. A rollback of the transaction that it
    /// was registered in drops it, and so does rolling back to a savepoint that was open then; one that was registered before
    /// a `begin` or a `#[retry]` waits through their reruns. [`rollback`](Self::rollback), [`close`](Self::close) and the end
    /// of the session drop all. After a COMMIT of unknown outcome none runs, unless whoever runs the transaction finds out
    /// (`commit = "verify"`): then they follow what it has found.
    ///
    /// In AUTOCOMMIT there is nothing to wait for, and it runs at once. On a session that was lent somebody else's transaction
    /// ([`SessionFactory::on`](crate::SessionFactory::on)) it waits for the commit of that one.
    ///
    /// This is the place for whatever the rest of the world sees: messages, mails, files. A hook that fails has nobody who
    /// would hear of it; a panic in it is logged and changes nothing: the commit has happened, and the other hooks run.
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
    #[track_caller]
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        if self.connection.stands_in_autocommit() {
            run_now(Awaits::Commit, hook);
        } else {
            self.connection.transaction.register(Awaits::Commit, Box::new(hook));
        }
    }

    /// Runs `hook` after what was done since it was registered was rolled back: with the outermost transaction, or with a
    /// savepoint that was open then, in which case the transaction around it goes on while the hook runs. A commit drops it.
    ///
    /// Of two hooks that are registered together, here and with [`on_commit`](Self::on_commit), exactly one runs: what the one
    /// drops is what the other waits for, and the end of the session without a commit is a rollback. After a COMMIT of unknown
    /// outcome neither does, nor where a part of the transaction was committed by the way (DDL on MariaDB and MySQL).
    ///
    /// In AUTOCOMMIT nothing can be rolled back, and it is dropped at once.
    ///
    /// This is the place for undoing what the database does not undo: a file that was written, a seat that was reserved
    /// elsewhere. With a rerun each attempt that fails runs those that it has registered.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::fs;
    ///
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let path = std::env::temp_dir().join(format!("aludel-on-rollback-{}", std::process::id()));
    /// let upload = path.clone();
    /// let refused = engine.begin(|session| {
    ///     fs::write(&upload, "a picture").map_err(|error| aludel::Error::other(error.to_string()))?;
    ///     session.on_rollback(move || drop(fs::remove_file(upload)));
    ///     Ok(diesel::sql_query("INSERT INTO pictures VALUES (1)").execute(session)?) // there is no such table
    /// });
    /// assert!(refused.is_err() && !path.exists());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    #[track_caller]
    pub fn on_rollback(&mut self, hook: impl FnOnce() + Send + 'static) {
        if !self.connection.stands_in_autocommit() {
            self.connection.transaction.register(Awaits::Rollback, Box::new(hook));
        }
    }

    /// Runs `hook` inside the transaction, before the last flush and the COMMIT of the outermost one. It may write, and it may
    /// register further hooks, which run as well. Its error rolls back, and is the caller's.
    ///
    /// It is dropped where an [`on_commit`](Self::on_commit) hook would be. One that was registered before a `begin` or a
    /// `#[retry]` runs in each attempt that comes to its end, which is why it is an `FnMut`. A factory can have one for all of
    /// its sessions ([`SessionFactory::before_commit`](crate::SessionFactory::before_commit)); those run first.
    ///
    /// On a session that was lent somebody else's transaction it runs before the commit of the session's part.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// diesel::sql_query("CREATE TABLE audit (what TEXT)").execute(&mut session)?;
    /// session.before_commit(|session| {
    ///     diesel::sql_query("INSERT INTO audit VALUES ('about to commit')").execute(session)?;
    ///     Ok(())
    /// });
    /// session.commit()?;
    /// assert_eq!(diesel::sql_query("DELETE FROM audit").execute(&mut session)?, 1);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn before_commit(&mut self, hook: impl FnMut(&mut Self) -> Result<()> + Send + 'static) {
        let depth = self.connection.transaction.depth();
        self.before_commit.0.push(Hook {
            depth,
            carried: false,
            done: false,
            run: Unshared::new(Box::new(hook)),
        });
    }

    /// Runs those of the factory, and then its own until there are no more, as a scope of its own: they may join, and may
    /// not end what is about to be committed.
    pub(super) fn run_before_commit(&mut self) -> Result<()> {
        let shared = self
            .factory
            .as_ref()
            .map_or(&[][..], |factory| &factory.before_commit[..]);
        if shared.is_empty() && self.before_commit.0.is_empty() {
            return Ok(());
        }
        let shared = shared.to_vec();
        self.connection.transaction.somebody_ends_it();
        self.connection.transaction.enter_scope();
        // Unwind safety: whoever commits gives the transaction up.
        let result = catch_unwind(AssertUnwindSafe(|| {
            for run in shared {
                run(self)?;
            }
            self.run_own_before_commit()
        }));
        self.connection.transaction.leave_scope();
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn run_own_before_commit(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            if self.before_commit.0.iter().all(|hook| hook.done) {
                return Ok(());
            }
            // What they register themselves is the next round's.
            let mut hooks = std::mem::take(&mut self.before_commit.0);
            let mut undone = hooks.iter_mut().filter(|hook| !hook.done);
            let result = undone.try_for_each(|hook| {
                hook.done = true;
                hook.run.get_mut()(self)
            });
            hooks.append(&mut self.before_commit.0);
            self.before_commit.0 = hooks;
            result?;
        }
        Err(Error::misuse(format!(
            "before_commit hooks have registered further ones {ROUNDS} times; is there one that registers itself?"
        )))
    }
}

impl<C: Dialect> BeforeCommit<C> {
    /// Whether one waits for its turn.
    pub(super) fn is_waiting(&self) -> bool {
        !self.0.is_empty()
    }

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
                    (hook.carried, hook.depth) = (true, 0);
                }
            }
            Change::NotBegun | Change::Begun | Change::Savepoint(_) | Change::Superseded => {}
            // In AUTOCOMMIT nothing was committed that they would have come before.
            Change::Committed => self.0.retain(|hook| !hook.done),
            Change::RolledBack | Change::Unknown => {
                self.0.retain(|hook| hook.carried);
                for hook in &mut self.0 {
                    hook.done = false;
                }
            }
            Change::Abandoned | Change::Closed | Change::Forgotten => self.0.clear(),
            Change::RolledBackTo(depth) => self.0.retain(|hook| hook.depth < depth),
            Change::Released(depth) => {
                for hook in &mut self.0 {
                    hook.depth = hook.depth.min(depth - 1);
                }
            }
        }
    }
}

impl<C: Dialect> Default for BeforeCommit<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Dialect> fmt::Debug for BeforeCommit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeforeCommit({})", self.0.len())
    }
}
