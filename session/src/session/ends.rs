//! The verbs that end a transaction, and what the session holds.

use aludel_core::{Dialect, Result};

use super::Session;
use crate::connection::Autobegin;
use crate::transaction::scope::{self, Change, Unit as _};
use crate::transaction::stage::{self, Asked};

impl<C: Dialect> Session<C> {
    /// Writes what is pending, then commits; without a transaction and with nothing pending, does nothing.
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
    /// session.commit()?;
    /// assert_eq!(session[note].text, "hello"); // what was committed may still be looked at
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Connection::commit`](crate::Connection::commit); when writing fails, everything is rolled back.
    pub fn commit(&mut self) -> Result<()> {
        self.connection.refuse_inside_scope("commit")?;
        self.begin_for_hooks()?;
        self.tell_created();
        scope::commit_alone(self)
    }

    /// Hooks that wait for a commit have one, also where nothing was begun for it.
    fn begin_for_hooks(&mut self) -> Result<()> {
        let idle = !self.connection.transaction.has_begun() && !self.connection.stands_in_autocommit();
        if idle && self.before_commit.is_waiting() {
            stage::begin_root(self, Asked::default())?;
        }
        Ok(())
    }

    /// Rolls back: the transaction with all its savepoints, objects that were added in it, changes that were not
    /// written yet.
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
    /// session.rollback()?;
    /// session.commit()?; // nothing is left to do
    /// assert!(session.read(note).is_err());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called inside a scope, where returning an error is what rolls back.
    pub fn rollback(&mut self) -> Result<()> {
        self.connection.refuse_inside_scope("rollback")?;
        scope::rollback_alone(self);
        self.connection.begin_a_lost_test_anew()
    }

    /// Rolls back, forgets all objects, and returns the raw connection. The session stays usable.
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
    /// session.commit()?;
    /// session.close()?;
    /// assert!(session.read(note).unwrap_err().is_stale_entity()); // all objects are forgotten
    /// assert_eq!(session.get_one::<Note>(1).map(|note| session[note].id)?, 1); // and the session can be used
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called inside a scope.
    pub fn close(&mut self) -> Result<()> {
        self.reset()?;
        if self.factory.as_ref().is_some_and(|factory| !factory.close_resets_only) {
            self.connection.autobegin = Autobegin::Closed;
        }
        Ok(())
    }

    /// [`close`](Self::close), after which the session can be used in any case, also where its factory says
    /// [`close_resets_only(false)`](crate::SessionFactory::close_resets_only) (`Session.reset` in SQLAlchemy).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// diesel::sql_query("SELECT 1").execute(&mut session)?;
    /// session.reset()?;
    /// assert!(!session.in_transaction());
    /// assert_eq!(engine.pool().checkedout(), 0);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called inside a scope.
    pub fn reset(&mut self) -> Result<()> {
        self.connection.end_what_is_its_own()?;
        self.follow(Change::Closed);
        self.objects.clear();
        Ok(())
    }

    /// [`reset`](Self::reset), with the raw connection closed at once instead of given back (`Session.invalidate` in
    /// SQLAlchemy): for one that nobody should use again. What was not committed is lost, all objects are forgotten, and the
    /// session can be used.
    ///
    /// Inside a scope (`begin`, `begin_nested`, `transaction`, `#[retry]`) the transaction is doomed instead, as
    /// [`Connection::invalidate`](crate::Connection::invalidate) does it, and the scope's end is its end.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://odd?mode=memory&cache=shared")?;
    /// let mut session = engine.session();
    /// diesel::sql_query("SELECT 1").execute(&mut session)?;
    /// session.invalidate("it looks odd");
    /// assert!(!session.in_transaction());
    /// diesel::sql_query("SELECT 1").execute(&mut session)?; // on another one
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn invalidate(&mut self, reason: &str) {
        self.connection.invalidate(reason);
        if self.connection.transaction.in_scope() {
            return;
        }
        self.connection.rollback_root();
        self.connection.release_between_transactions();
        self.follow(Change::Closed);
        self.objects.clear();
    }
}
