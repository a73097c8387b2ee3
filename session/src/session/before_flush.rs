//! Hooks before a flush, which may still change what it writes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aludel_core::{Dialect, Error, Result};

use super::Session;
use crate::transaction::hooks::Unshared;
use crate::transaction::scope;

type Run<C> = Unshared<Box<dyn FnMut(&mut Session<C>) -> Result<()> + Send>>;

/// Rounds of hooks that each find something new. More are a mistake that would never end.
const ROUNDS: usize = 100;

/// Those of one session, in the order of their registration.
pub(super) struct BeforeFlush<C: Dialect>(Vec<Run<C>>);

impl<C: Dialect> Session<C> {
    /// Runs `hook` before each flush of this session that has something to write, in the flush's transaction. What it adds, edits
    /// and deletes is written with the same flush. A factory can have one for all of its sessions
    /// ([`SessionFactory::before_flush`](crate::SessionFactory::before_flush)); those run first.
    ///
    /// A hook that has run runs again if another one has added, edited or deleted something since, until there is nothing new: so
    /// each has seen all that is written. Where that has not come to an end after 100 rounds, it is an error.
    ///
    /// Queries of the hook do not flush: they see the rows as they are before it. [`flush`](Self::flush), savepoints and commits are
    /// refused in it. Its error is that of the flush, of which nothing is sent then.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = notes)]
    /// # struct Note { id: i32, text: String }
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&mut session)?;
    /// # session.commit()?;
    /// session.before_flush(|session| {
    ///     for note in session.pending::<Note>() {
    ///         let note = session.edit(note)?;
    ///         note.text = note.text.trim().to_owned();
    ///     }
    ///     Ok(())
    /// });
    /// let note = session.add(Note { id: 0, text: " hello ".to_owned() });
    /// session.commit()?;
    /// assert_eq!(session.read(note)?.text, "hello");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// See `before_flush` in [SQLAlchemy's documentation](https://docs.sqlalchemy.org/en/20/orm/events.html), where each listener is
    /// called once a flush.
    pub fn before_flush(&mut self, hook: impl FnMut(&mut Self) -> Result<()> + Send + 'static) {
        self.before_flush.0.push(Unshared::new(Box::new(hook)));
    }

    /// Runs those of the factory, and then its own.
    pub(super) fn run_before_flush(&mut self) -> Result<()> {
        let has_shared = self
            .factory
            .as_ref()
            .is_some_and(|factory| !factory.before_flush.is_empty());
        if !has_shared && self.before_flush.0.is_empty() {
            return Ok(());
        }
        self.connection.ready()?;
        self.tell_begun();
        let autoflush = std::mem::replace(&mut self.flushes.by_itself, false);
        self.flushes.under_way = true;
        self.connection.transaction.enter_scope();
        // Unwind safety: the transaction is lost, as where a flush panics.
        let result = catch_unwind(AssertUnwindSafe(|| self.run_in_rounds()));
        self.connection.transaction.leave_scope();
        self.flushes.under_way = false;
        self.flushes.by_itself = autoflush;
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.give_up_flush(&error);
                Err(error)
            }
            Err(payload) => {
                scope::exit(self, scope::PANIC);
                resume_unwind(payload)
            }
        }
    }

    fn run_in_rounds(&mut self) -> Result<()> {
        let shared = self.factory.as_ref().map(|factory| factory.before_flush.clone());
        let shared = shared.unwrap_or_default();
        // What they register themselves waits for the next flush.
        let mut own = std::mem::take(&mut self.before_flush.0);
        let result = self.rounds(&shared, &mut own);
        own.append(&mut self.before_flush.0);
        self.before_flush.0 = own;
        result
    }

    fn rounds(&mut self, shared: &[super::SharedRun<C>], own: &mut [Run<C>]) -> Result<()> {
        // What each has seen.
        let mut seen = vec![None; shared.len() + own.len()];
        for _ in 0..ROUNDS {
            let mut news = false;
            for (number, seen) in seen.iter_mut().enumerate() {
                if *seen == Some(self.objects.news()) {
                    continue;
                }
                news = true;
                match shared.get(number) {
                    Some(run) => run(self)?,
                    None => own[number - shared.len()].get_mut()(self)?,
                }
                *seen = Some(self.objects.news());
            }
            if !news {
                return Ok(());
            }
        }
        Err(Error::misuse(format!(
            "before_flush hooks have added, edited or deleted something new {ROUNDS} times, each after another; nothing was sent. \
             Do they answer each other?"
        )))
    }
}

impl<C: Dialect> Default for BeforeFlush<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Dialect> fmt::Debug for BeforeFlush<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeforeFlush({})", self.0.len())
    }
}
