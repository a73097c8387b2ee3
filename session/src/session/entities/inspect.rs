//! What is pending, changed, deleted; the state of an object.

use std::fmt;

use aludel_core::{Dialect, Result};

use crate::model::{Entity, Persist, State, Store};
use crate::session::Session;

/// What an object is to its session (the states of SQLAlchemy's "Quickie Intro to Object States").
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
/// use aludel::ObjectState;
///
/// let note = session.add(Note { id: 1, text: "hello".to_owned() });
/// assert_eq!(session.state(note), ObjectState::Pending);
/// session.flush()?;
/// assert_eq!(session.state(note), ObjectState::Persistent);
/// session.delete(note)?;
/// assert_eq!(session.state(note), ObjectState::Deleted);
/// session.commit()?;
/// assert_eq!(session.state(note), ObjectState::Detached);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectState {
    /// A plain value that no session has, and that none has read or written.
    Transient,
    /// Added, and not written yet.
    Pending,
    /// It stands for a row.
    Persistent,
    /// Marked for deletion, or deleted in this transaction.
    Deleted,
    /// Of no interest to this session, or not any more.
    Detached,
}

impl<C: Dialect> Session<C> {
    /// The objects of a model that were added and are not written yet, in the order of the adds (`Session.new` in SQLAlchemy).
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
    /// assert_eq!(session.pending::<Note>(), [note]);
    /// session.flush()?;
    /// assert_eq!(session.pending::<Note>(), []);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn pending<M: Persist<C::Backend>>(&self) -> Vec<Entity<M>> {
        self.objects.store::<M>().map_or_else(Vec::new, Store::pending)
    }

    /// The objects of a model that were edited since the last flush, in the order of their keys, whether or not they differ from their
    /// rows by now (`Session.dirty` in SQLAlchemy); [`is_modified`](Self::is_modified) compares.
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
    /// session.flush()?;
    /// session[note].text.push('!');
    /// assert_eq!(session.dirty::<Note>(), [note]);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn dirty<M: Persist<C::Backend>>(&self) -> Vec<Entity<M>> {
        self.objects.store::<M>().map_or_else(Vec::new, Store::dirty)
    }

    /// The objects of a model that are marked for deletion and whose rows are still there, in the order of the deletes
    /// (`Session.deleted` in SQLAlchemy).
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
    /// session.flush()?;
    /// session.delete(note)?;
    /// assert_eq!(session.deleted::<Note>(), [note]);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn deleted<M: Persist<C::Backend>>(&self) -> Vec<Entity<M>> {
        self.objects
            .store::<M>()
            .map_or_else(Vec::new, Store::marked_for_deletion)
    }

    /// Whether a handle names an object that is in this session, and neither deleted nor about to be (`in` in SQLAlchemy).
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
    /// assert!(session.contains(note));
    /// assert!(!engine.session().contains(note));
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn contains<M: Persist<C::Backend>>(&self, entity: Entity<M>) -> bool {
        matches!(self.state(entity), ObjectState::Pending | ObjectState::Persistent)
    }

    /// What the object that a handle names is to this session; [`Detached`](ObjectState::Detached) for what is not in it, or is of
    /// another.
    pub fn state<M: Persist<C::Backend>>(&self, entity: Entity<M>) -> ObjectState {
        let state = self.objects.store::<M>().and_then(|store| store.state(entity));
        match state {
            Some(State::Pending) => ObjectState::Pending,
            Some(State::Persistent) => ObjectState::Persistent,
            Some(State::Doomed | State::Deleted) => ObjectState::Deleted,
            Some(State::Free) | None => ObjectState::Detached,
        }
    }

    /// Whether the next flush has something to write of an object: it was added, or differs from its row as it was read
    /// (`Session.is_modified` in SQLAlchemy). Of one that is not in the session, or deleted, it has not.
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
    /// assert!(session.is_modified(note));
    /// session.flush()?;
    /// session.edit(note)?.text = "hello".to_owned(); // edited, and equal
    /// assert!(!session.is_modified(note));
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn is_modified<M: Persist<C::Backend>>(&self, entity: Entity<M>) -> bool {
        let changes = self.objects.store::<M>().and_then(|store| store.changes(entity).ok());
        changes.is_some_and(|columns| !columns.is_empty())
    }

    /// The names of the columns that the next flush has to write of an object: those that differ from its row as it was read, and all
    /// that are written where it was added.
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
    /// session.flush()?;
    /// session.edit(note)?.text.push('!');
    /// assert_eq!(session.changes(note)?, ["text"]);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session.
    pub fn changes<M: Persist<C::Backend>>(&self, entity: Entity<M>) -> Result<Vec<&'static str>> {
        let Some(store) = self.objects.store::<M>() else {
            return Err(super::of_another_session::<M>());
        };
        let columns = store
            .changes(entity)
            .map_err(|trouble| store.explain(entity, trouble))?;
        Ok(columns.iter().map(|column| M::shape().columns[column].name).collect())
    }

    /// All that the session holds, in a form that one wants to read: model, key, state, changed columns of each object, and never a
    /// value.
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
    /// session.flush()?;
    /// session.add(Note { id: 0, text: "world".to_owned() });
    /// session.edit(note)?.text.push('!');
    /// assert_eq!(session.objects().to_string(), "Note 1: persistent, changed: text\nNote (no key yet): pending\n");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn objects(&self) -> Objects<'_> {
        Objects {
            count: self.objects.len(),
            write: Box::new(|f| self.objects.describe(f)),
        }
    }

    /// Checks what must hold of the objects after each step.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        self.objects.assert_invariants();
    }
}

/// A list of what a session holds, by [`Session::objects`]: one line an object, in the order of their places.
#[must_use = "it is to be looked at"]
pub struct Objects<'a> {
    count: usize,
    write: Box<dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result + 'a>,
}

impl Objects<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Objects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.write)(f)
    }
}

impl fmt::Debug for Objects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} objects", self.count)?;
        (self.write)(f)
    }
}
