//! The verbs that end a transaction, and what the session holds.

use aludel_core::{Dialect, Result};

use super::Session;
use crate::transaction::scope::{self, Change, Unit as _};

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
    /// As [`Connection::commit`]; when writing fails, everything is rolled back.
    pub fn commit(&mut self) -> Result<()> {
        self.connection.refuse_inside_scope("commit")?;
        if self.connection.transaction.is_test() {
            return self.flush();
        }
        let result = scope::commit(self);
        if result.is_err() {
            self.follow(Change::Abandoned);
        }
        result
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
        let result = self.connection.rollback();
        if !self.connection.transaction.in_scope() {
            self.follow(Change::Abandoned);
        }
        result
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
        self.connection.close()?;
        self.follow(Change::Abandoned);
        self.objects.clear();
        Ok(())
    }

    /// Closes the raw connection at once instead of returning it; see [`Connection::invalidate`].
    pub fn invalidate(&mut self, reason: &str) {
        self.connection.invalidate(reason);
    }
}
