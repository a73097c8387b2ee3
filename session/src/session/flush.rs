//! When what is pending is written, and when it is not.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aludel_core::classify::Fate;
use aludel_core::{Dialect, Error, Result};

use super::Session;
use crate::transaction::{own_fault, own_verdict, scope};

/// How a session flushes.
#[derive(Debug)]
pub(super) struct Flushes {
    /// Before each query.
    pub(super) by_itself: bool,
    /// A hook runs before one that is under way.
    pub(super) under_way: bool,
}

impl Default for Flushes {
    fn default() -> Self {
        Self {
            by_itself: true,
            under_way: false,
        }
    }
}

impl<C: Dialect> Session<C> {
    /// Writes what is pending. Queries, savepoints and commits do so by themselves.
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
    /// let note = session.add(Note { id: 1, text: "hello".to_owned() });
    /// session.flush()?; // INSERT, and no COMMIT
    /// let count: i64 = notes::table.count().get_result(&mut session)?;
    /// assert_eq!(count, 1);
    /// session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the statements; a version conflict; a row that is gone; that of a [`before_flush`](Self::before_flush) hook. The
    /// innermost transaction then takes nothing but its rollback, since a part of the changes may have been written.
    pub fn flush(&mut self) -> Result<()> {
        if self.flushes.under_way {
            return Err(Error::misuse(
                "a before_flush hook has asked for a flush, or for what begins with one (a savepoint, a commit), while the one \
                 that it runs before is under way; what the hook changes is written with that one",
            ));
        }
        if !self.objects.is_pending() {
            return Ok(());
        }
        self.connection.refuse_objects_in_autocommit()?;
        self.follow_a_beginning();
        self.run_before_flush()?;
        self.tell_flush_begins();
        let result = self.write_pending();
        self.tell_flush_ended(result.is_ok());
        result
    }

    fn write_pending(&mut self) -> Result<()> {
        self.connection.ready()?;
        self.tell_begun();
        // Unwind safety: the transaction is lost, and what was half-written with it.
        let result = match catch_unwind(AssertUnwindSafe(|| self.objects.flush(&mut self.connection))) {
            Ok(result) => result,
            Err(payload) => {
                scope::exit(self, scope::PANIC);
                resume_unwind(payload)
            }
        };
        if let Err(error) = &result {
            self.give_up_flush(error);
        }
        result
    }

    /// What failed half-way is not committed by somebody who does not look.
    pub(super) fn give_up_flush(&mut self, error: &Error) {
        self.connection.settle();
        let cause = self.connection.transaction.decisive_fault().cloned();
        let cause = cause.unwrap_or_else(|| {
            let fault = own_fault(format!("writing the session's changes failed: {error}"));
            // A version conflict is one that running again resolves.
            fault.with_verdict(own_verdict(error.class(), Fate::Open))
        });
        self.connection.transaction.doom_innermost(&cause);
    }

    /// Runs the closure with autoflush off: queries in it do not write what is pending, and do not see it
    /// (`Session.no_autoflush` in SQLAlchemy). [`flush`](Self::flush), savepoints and commits write as ever.
    ///
    /// It is for objects that are put together with the help of queries, and that the database would refuse half-done.
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
    /// let note = session.add(Note { id: 1, text: String::new() });
    /// let count: i64 = session.no_autoflush(|session| notes::table.count().get_result(session))?;
    /// assert_eq!(count, 0);
    /// session.edit(note)?.text = format!("after {count} others");
    /// session.commit()?; // INSERT
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic, after which autoflush is what it was.
    pub fn no_autoflush<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.flushes.by_itself, false);
        // Unwind safety: nothing is looked at before the panic goes on.
        let result = catch_unwind(AssertUnwindSafe(|| f(self)));
        self.flushes.by_itself = before;
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}
