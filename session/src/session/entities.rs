//! The verbs on objects: get, add, delete, read, edit, flush.

use std::ops::{Index, IndexMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aludel_core::classify::Fate;
use aludel_core::{Dialect, Error, ErrorKind, Result};

use super::Session;
use crate::connection::Touched;
use crate::model::{Arrival, Entity, Lookup, Model, Persist, Trouble};
use crate::transaction::{own_fault, own_verdict, scope};

impl<C: Dialect> Session<C> {
    /// The object with this key, or `None` (`Session.get` in SQLAlchemy). Without a statement when the session has it;
    /// read again when it is expired.
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
    /// assert_eq!(session.get::<Note>(1)?, Some(note)); // one row, one object
    /// assert_eq!(session.get::<Note>(2)?, None);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the query, and of writing what is pending before it.
    pub fn get<M: Persist<C::Backend>>(&mut self, key: impl Into<M::Key>) -> Result<Option<Entity<M>>> {
        let key = key.into();
        match self.objects.store_mut::<M>().lookup(&key) {
            Lookup::Deleted => return Ok(None),
            Lookup::Known(entity) => {
                return match self.refresh_if_expired(entity) {
                    Ok(()) => Ok(Some(entity)),
                    Err(error) if error.is_not_found() => Ok(None),
                    Err(error) => Err(error),
                };
            }
            Lookup::Unknown => {}
        }
        self.about_to_use()?;
        // What was pending may have been the very object.
        if let Lookup::Known(entity) = self.objects.store_mut::<M>().lookup(&key) {
            return Ok(Some(entity));
        }
        let row = M::find(&mut self.connection, &key)?;
        Ok(row.map(|row| {
            // The row's own spelling of its key; the one that was asked for where the model calls it "not yet" (0).
            let key = row.key().unwrap_or(key);
            self.objects.store_mut::<M>().put_loaded(key, row, Arrival::Keeps)
        }))
    }

    /// The object with this key, which must be there (`Session.get_one` in SQLAlchemy).
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
    /// assert_eq!(session.get_one::<Note>(1)?, note);
    /// assert!(session.get_one::<Note>(2).unwrap_err().is_not_found());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], and those of [`get`](Self::get).
    pub fn get_one<M: Persist<C::Backend>>(&mut self, key: impl Into<M::Key>) -> Result<Entity<M>> {
        let key = key.into();
        self.get::<M>(key.clone())?.ok_or_else(|| not_found::<M>(&key))
    }

    /// Adds an object, which becomes a row with the next flush: at commit, before a savepoint, before the next query.
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
    /// let note = session.add(Note { id: 0, text: "hello".to_owned() }); // 0: the database makes the key
    /// session.flush()?;
    /// assert_eq!(session[note].id, 1);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn add<M: Persist<C::Backend>>(&mut self, object: M) -> Entity<M> {
        let sequence = self.objects.next_sequence();
        self.objects.store_mut::<M>().add(object, sequence)
    }

    /// Marks an object for deletion; its row goes with the next flush. An object that was only added is forgotten.
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
    /// session.delete(note)?;
    /// session.commit()?;
    /// assert!(session.read(note).unwrap_err().is_stale_entity());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session.
    pub fn delete<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        self.objects.store_mut::<M>().find(entity)?;
        let sequence = self.objects.next_sequence();
        let store = self.objects.store_mut::<M>();
        store
            .delete(entity, sequence)
            .map_err(|trouble| store.explain(entity, trouble))
    }

    /// The value of an object, read again if it is expired.
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
    /// diesel::update(notes::table).set(notes::text.eq("changed")).execute(&mut session)?;
    /// assert_eq!(session.read(note)?.text, "changed"); // what was read before this transaction is read again
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session, or its row is gone; and those of the query.
    pub fn read<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<&M> {
        self.refresh_if_expired(entity)?;
        let store = self.objects.store_mut::<M>();
        store.current(entity).map_err(|trouble| store.explain(entity, trouble))
    }

    /// The value of an object, to be changed; read again if it is expired. The columns that differ are written with the
    /// next flush.
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
    /// session.edit(note)?.text.push('!');
    /// session.commit()?; // UPDATE notes SET text = ? WHERE id = ?
    /// assert_eq!(session[note].text, "hello!");
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`read`](Self::read).
    pub fn edit<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<&mut M> {
        self.refresh_to_edit(entity)?;
        self.objects.mark_pending();
        self.objects.store_mut::<M>().edit(entity)
    }

    /// Two values at once, to be changed.
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
    /// let other = session.add(Note { id: 2, text: "world".to_owned() });
    /// let (a, b) = session.edit_two(note, other)?;
    /// std::mem::swap(&mut a.text, &mut b.text);
    /// session.commit()?;
    /// assert_eq!(session[note].text, "world");
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`read`](Self::read); and when both handles name the same object.
    pub fn edit_two<M: Persist<C::Backend>>(
        &mut self,
        first: Entity<M>,
        second: Entity<M>,
    ) -> Result<(&mut M, &mut M)> {
        if first == second {
            return Err(Error::misuse(format!(
                "edit_two needs two objects, and both handles name the same {}",
                M::NAME
            )));
        }
        self.refresh_to_edit(first)?;
        self.refresh_to_edit(second)?;
        self.objects.mark_pending();
        self.objects.store_mut::<M>().edit_two(first, second)
    }

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
    /// Those of the statements; a version conflict; a row that is gone. The innermost transaction then takes nothing
    /// but its rollback, since a part of the changes may have been written.
    pub fn flush(&mut self) -> Result<()> {
        if !self.objects.is_pending() {
            return Ok(());
        }
        self.connection.refuse_objects_in_autocommit()?;
        self.follow_a_beginning();
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
            self.connection.settle();
            let cause = self.connection.transaction.decisive_fault().cloned();
            let cause = cause.unwrap_or_else(|| {
                let fault = own_fault(format!("writing the session's changes failed: {error}"));
                // A version conflict is one that running again resolves.
                fault.with_verdict(own_verdict(error.class(), Fate::Open))
            });
            self.connection.transaction.doom_innermost(&cause);
        }
        result
    }

    /// Has every object read again when it is next used (`Session.expire_all` in SQLAlchemy), save that changes which were not
    /// written yet are kept, and their objects with them. It sends nothing.
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
    /// let note = session.add(Note { id: 1, text: "hello".to_owned() });
    /// session.flush()?;
    /// session.with_raw(|raw| Ok(diesel::update(notes::table).set(notes::text.eq("changed")).execute(raw)?))?;
    /// session.expire_all();
    /// assert_eq!(session.read(note)?.text, "changed");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn expire_all(&mut self) {
        self.objects.expire(Touched::Anything);
    }

    fn refresh_if_expired<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        let found = self.objects.store_mut::<M>().current(entity).map(drop);
        self.refresh_unless(found, entity)
    }

    fn refresh_to_edit<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        let found = self.objects.store_mut::<M>().editable(entity).map(drop);
        self.refresh_unless(found, entity)
    }

    fn refresh_unless<M: Persist<C::Backend>>(
        &mut self,
        found: std::result::Result<(), Trouble>,
        entity: Entity<M>,
    ) -> Result<()> {
        let store = self.objects.store_mut::<M>();
        match found {
            Ok(()) => return Ok(()),
            Err(Trouble::Expired) => {}
            Err(trouble) => return Err(store.explain(entity, trouble)),
        }
        let Ok(Some(key)) = store.key(entity) else {
            return Err(store.explain(entity, Trouble::Stale));
        };
        self.about_to_use()?;
        let Some(row) = M::find(&mut self.connection, &key)? else {
            self.objects.store_mut::<M>().lost(entity);
            return Err(not_found::<M>(&key));
        };
        let key = row.key().unwrap_or(key);
        self.objects.store_mut::<M>().put_loaded(key, row, Arrival::Keeps);
        Ok(())
    }
}

fn not_found<M: Model>(key: &M::Key) -> Error {
    Error::object(ErrorKind::NotFound, format!("there is no {} with key {key:?}", M::NAME))
}

/// `session[entity]` is sugar over what is loaded.
///
/// # Panics
///
/// When the handle names no object of this session, or its value is expired: [`Session::read`] answers an error then,
/// and reads the row again.
impl<C: Dialect, M: Persist<C::Backend>> Index<Entity<M>> for Session<C> {
    type Output = M;

    #[track_caller]
    fn index(&self, entity: Entity<M>) -> &M {
        let Some(store) = self.objects.store::<M>() else {
            panic!(
                "this handle to {} belongs to another session; each session has its own",
                M::NAME
            )
        };
        match store.value(entity) {
            Ok(value) => value,
            Err(trouble) => panic!("{}", store.explain(entity, trouble)),
        }
    }
}

/// `session[entity].field = ..` marks the object as edited.
///
/// # Panics
///
/// As `Index`, and for a value that an earlier transaction has left behind: [`Session::edit`] reads it again.
impl<C: Dialect, M: Persist<C::Backend>> IndexMut<Entity<M>> for Session<C> {
    #[track_caller]
    fn index_mut(&mut self, entity: Entity<M>) -> &mut M {
        self.objects.mark_pending();
        match self.objects.store_mut::<M>().edit(entity) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}
