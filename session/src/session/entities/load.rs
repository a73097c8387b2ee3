//! Get and its sisters, and queries whose rows become objects.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::ops::ControlFlow;

use aludel_core::{Dialect, Error, Result};
use diesel::query_dsl::methods::LimitDsl;

use super::{ObjectQuery, not_found};
use crate::model::{Arrival, Entity, Lookup, Persist};
use crate::session::Session;
use crate::sql::ByKeys;
use crate::unit_of_work;

/// Keys in the WHERE of one SELECT. More save round trips, fewer keep what the server has to parse small.
const PAGE: usize = 500;

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
        if let ControlFlow::Break(known) = self.known::<M>(&key)? {
            return Ok(known);
        }
        self.about_to_use()?;
        // What was pending may have been the very object.
        if let Lookup::Known(entity) = self.objects.store_mut::<M>().lookup(&key) {
            return Ok(Some(entity));
        }
        let row = M::find(&mut self.connection, &key)?;
        // The row's own spelling of its key; the one that was asked for where the model calls it "not yet" (0).
        Ok(row.map(|row| self.put(row.key().unwrap_or(key), row, Arrival::Keeps)))
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

    /// The objects with these keys, in their order, and `None` for each key without a row: one SELECT for each page of 500 keys that
    /// the session has no value for, and none for the others.
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
    /// session.add(Note { id: 1, text: "hello".to_owned() });
    /// let world = session.add(Note { id: 2, text: "world".to_owned() });
    /// session.commit()?;
    /// let found = session.get_many::<Note>([2, 7, 1])?; // SELECT .. WHERE id IN (2, 7, 1)
    /// assert_eq!(found[0], Some(world));
    /// assert_eq!(found[1], None);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the query, and of writing what is pending before it.
    pub fn get_many<M: Persist<C::Backend>>(
        &mut self,
        keys: impl IntoIterator<Item = impl Into<M::Key>>,
    ) -> Result<Vec<Option<Entity<M>>>> {
        let keys: Vec<M::Key> = keys.into_iter().map(Into::into).collect();
        if keys.iter().any(|key| !self.is_at_hand::<M>(key)) {
            self.about_to_use()?;
        }
        let mut asked = HashSet::new();
        let missing = keys.iter().filter(|key| !self.is_at_hand::<M>(key));
        let missing: Vec<M::Key> = missing.filter(|key| asked.insert(*key)).cloned().collect();
        let other_spellings = self.load_keys::<M>(&missing)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in &keys {
            found.push(match self.objects.store_mut::<M>().lookup(key) {
                Lookup::Known(entity) => Some(entity),
                Lookup::Deleted => None,
                Lookup::Unknown => match other_spellings.get(key) {
                    Some(spelling) => self.get::<M>(spelling.clone())?,
                    None => None,
                },
            });
        }
        Ok(found)
    }

    /// The object with this key, read again and locked until the end of the transaction: `SELECT .. FOR UPDATE`, on SQLite, which has
    /// no locks on rows, a plain SELECT (`with_for_update` in SQLAlchemy). It always asks the database, after writing what is pending.
    ///
    /// The object takes the row's values, save those of columns that were edited and could not be written yet
    /// ([`no_autoflush`](Self::no_autoflush)).
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
    /// let locked = session.get_for_update::<Note>(1)?;
    /// assert_eq!(locked, Some(note));
    /// session.edit(note)?.text.push('!');
    /// session.commit()?;
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A version conflict where this transaction has read the row before, and it has another version now; those of the query, and
    /// of writing what is pending.
    pub fn get_for_update<M: Persist<C::Backend>>(&mut self, key: impl Into<M::Key>) -> Result<Option<Entity<M>>> {
        let key = key.into();
        self.about_to_use()?;
        let row = self.rows_with_keys::<M>(std::slice::from_ref(&key), true)?.pop();
        let known = match self.objects.store_mut::<M>().lookup(&key) {
            Lookup::Known(entity) => Some(entity),
            Lookup::Deleted => return Ok(None),
            Lookup::Unknown => None,
        };
        let Some(row) = row else {
            if let Some(entity) = known {
                self.lose(entity);
            }
            return Ok(None);
        };
        let key = row.key().unwrap_or(key);
        if let Some(read) = known.and_then(|entity| self.objects.store_mut::<M>().known_row(entity))
            && let Some(expected) = read.version_text()
            && row.version_text().as_ref() != Some(&expected)
        {
            let found = row.version_text();
            return Err(unit_of_work::version_conflict::<M>(Some(&key), &expected, found));
        }
        Ok(Some(self.put(key, row, Arrival::Rebases)))
    }

    /// The objects that a query finds, in the order of its rows. The query is Diesel's, on the table of the model and without a
    /// `select`, which is added. Rows that the session has already are the objects that they were, and keep the values that they
    /// have, what was changed and is not written among them ([`query_fresh`](Self::query_fresh) is the other way).
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
    /// session.add_all(["c", "a", "b"].map(|text| Note { id: 0, text: text.to_owned() }));
    /// let found = session.query::<Note, _>(notes::table.filter(notes::text.gt("a")).order(notes::text))?;
    /// let texts: Vec<&str> = found.iter().map(|&note| session[note].text.as_str()).collect();
    /// assert_eq!(texts, ["b", "c"]); // what was pending was written before
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the query, and of writing what is pending before it.
    pub fn query<'q, M, Q>(&mut self, query: Q) -> Result<Vec<Entity<M>>>
    where
        M: Persist<C::Backend>,
        Q: ObjectQuery<'q, C, M>,
    {
        self.load_query(query, Arrival::Keeps)
    }

    /// [`query`](Self::query), whose rows replace the values that the session has, save those of objects that were changed and are
    /// not written (`populate_existing` in SQLAlchemy).
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
    /// session.query_fresh::<Note, _>(notes::table)?;
    /// assert_eq!(session[note].text, "hello");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub fn query_fresh<'q, M, Q>(&mut self, query: Q) -> Result<Vec<Entity<M>>>
    where
        M: Persist<C::Backend>,
        Q: ObjectQuery<'q, C, M>,
    {
        self.load_query(query, Arrival::Refreshes)
    }

    /// The object of the first row that a query finds; `LIMIT 1` is added.
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
    /// session.add_all(["c", "a", "b"].map(|text| Note { id: 0, text: text.to_owned() }));
    /// let last = session.query_one::<Note, _>(notes::table.order(notes::text.desc()))?;
    /// assert_eq!(last.map(|note| session[note].text.clone()).as_deref(), Some("c"));
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query); that there is no row is none.
    pub fn query_one<'q, M, Q>(&mut self, query: Q) -> Result<Option<Entity<M>>>
    where
        M: Persist<C::Backend>,
        Q: LimitDsl,
        Q::Output: ObjectQuery<'q, C, M>,
    {
        Ok(self.query(query.limit(1))?.pop())
    }

    fn load_query<'q, M, Q>(&mut self, query: Q, arrival: Arrival) -> Result<Vec<Entity<M>>>
    where
        M: Persist<C::Backend>,
        Q: ObjectQuery<'q, C, M>,
    {
        self.about_to_use()?;
        let rows = query.rows(&mut self.connection)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let key = row.key().ok_or_else(|| {
                    Error::misuse(format!(
                        "a row of {} has the key that stands for one that the database has still to make, so it cannot be an \
                         object",
                        M::NAME
                    ))
                })?;
            let entity = self.put(key, row, arrival);
            // One that is marked for deletion and was not written yet is gone for who asks, as with get().
            if self.objects.store_mut::<M>().find(entity).is_ok() {
                found.push(entity);
            }
        }
        Ok(found)
    }

    /// What the session knows of a key without asking, an expired object read again.
    fn known<M: Persist<C::Backend>>(&mut self, key: &M::Key) -> Result<ControlFlow<Option<Entity<M>>>> {
        match self.objects.store_mut::<M>().lookup(key) {
            Lookup::Deleted => Ok(ControlFlow::Break(None)),
            Lookup::Unknown => Ok(ControlFlow::Continue(())),
            Lookup::Known(entity) => match self.refresh_if_expired(entity) {
                Ok(()) => Ok(ControlFlow::Break(Some(entity))),
                // What was pending was written before it was read, and may have deleted it, or given its key to another one.
                Err(error) if error.is_not_found() || error.is_stale_entity() => {
                    Ok(ControlFlow::Break(match self.objects.store_mut::<M>().lookup(key) {
                        Lookup::Known(other) => Some(other),
                        Lookup::Deleted | Lookup::Unknown => None,
                    }))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Whether nothing has to be read to answer for a key.
    fn is_at_hand<M: Persist<C::Backend>>(&mut self, key: &M::Key) -> bool {
        let store = self.objects.store_mut::<M>();
        match store.lookup(key) {
            Lookup::Deleted => true,
            Lookup::Unknown => false,
            Lookup::Known(entity) => store.current(entity).is_ok(),
        }
    }

    /// Reads the rows with these keys, of which none is twice, into their objects; those that have none any more leave. Keys
    /// that the database takes for those of rows which spell them otherwise are answered beside.
    pub(super) fn load_keys<M: Persist<C::Backend>>(&mut self, keys: &[M::Key]) -> Result<HashMap<M::Key, M::Key>> {
        let mut missing: HashSet<&M::Key> = keys.iter().collect();
        let mut strange = false;
        for page in keys.chunks(PAGE) {
            for row in self.rows_with_keys::<M>(page, false)? {
                if let Some(key) = row.key() {
                    strange |= !missing.remove(&key);
                    self.put(key, row, Arrival::Keeps);
                }
            }
        }
        let mut spellings = HashMap::new();
        for key in missing {
            let row = if strange {
                M::find(&mut self.connection, key)?
            } else {
                None
            };
            if let Some(spelling) = row.and_then(|row| row.key()) {
                spellings.insert(key.clone(), spelling);
            } else if let Lookup::Known(entity) = self.objects.store_mut::<M>().lookup(key) {
                self.lose(entity);
            }
        }
        Ok(spellings)
    }

    fn rows_with_keys<M: Persist<C::Backend>>(&mut self, keys: &[M::Key], lock: bool) -> Result<Vec<M>> {
        let select = ByKeys::<M> {
            flavour: C::FLAVOUR,
            keys,
            alive: true,
            lock,
            model: PhantomData,
        };
        Ok(M::select(&mut self.connection, select)?)
    }

    /// A row arrives.
    pub(super) fn put<M: Persist<C::Backend>>(&mut self, key: M::Key, row: M, arrival: Arrival) -> Entity<M> {
        let entity = self.objects.store_mut::<M>().put_loaded(key, row, arrival);
        self.tell_changed();
        entity
    }

    /// The row of an object is gone.
    pub(super) fn lose<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) {
        self.objects.store_mut::<M>().lost(entity);
        self.tell_changed();
    }
}
