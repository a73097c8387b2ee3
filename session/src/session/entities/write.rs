//! Add, delete, read, edit.

use std::collections::HashSet;

use aludel_core::{Dialect, Error, Result};

use super::not_found;
use crate::model::{Arrival, Entity, Persist, Trouble};
use crate::session::Session;

impl<C: Dialect> Session<C> {
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
        let entity = self.objects.store_mut::<M>().add(object, sequence);
        self.tell_changed();
        entity
    }

    /// Adds objects, in their order; see [`add`](Self::add).
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
    /// let notes = session.add_all(["hello", "world"].map(|text| Note { id: 0, text: text.to_owned() }));
    /// session.flush()?;
    /// assert_eq!(session[notes[1]].id, 2);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn add_all<M: Persist<C::Backend>>(&mut self, objects: impl IntoIterator<Item = M>) -> Vec<Entity<M>> {
        objects.into_iter().map(|object| self.add(object)).collect()
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
            .map_err(|trouble| store.explain(entity, trouble))?;
        self.tell_changed();
        Ok(())
    }

    /// Marks objects for deletion, all or none; see [`delete`](Self::delete).
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
    /// let notes = session.add_all(["hello", "world"].map(|text| Note { id: 0, text: text.to_owned() }));
    /// session.commit()?;
    /// session.delete_all(notes)?;
    /// session.commit()?; // DELETE .. WHERE id IN (1, 2)
    /// assert!(session.get::<Note>(1)?.is_none());
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the handles names no object of this session; then none is marked.
    pub fn delete_all<M: Persist<C::Backend>>(&mut self, entities: impl IntoIterator<Item = Entity<M>>) -> Result<()> {
        let entities: Vec<Entity<M>> = entities.into_iter().collect();
        for &entity in &entities {
            self.objects.store_mut::<M>().find(entity)?;
        }
        let mut seen = HashSet::new();
        for entity in entities {
            if seen.insert(entity) {
                self.delete(entity)?;
            }
        }
        Ok(())
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

    /// Many values at once, in the order of the handles, to be changed. Those that are expired are read again, with one SELECT for
    /// each page of 500.
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
    /// let notes = session.add_all(["hello", "world"].map(|text| Note { id: 0, text: text.to_owned() }));
    /// for note in session.edit_many(&notes)? {
    ///     note.text.push('!');
    /// }
    /// session.commit()?;
    /// assert_eq!(session[notes[1]].text, "world!");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`read`](Self::read), for any of them, and then none is marked; and when two handles name the same object.
    pub fn edit_many<M: Persist<C::Backend>>(&mut self, entities: &[Entity<M>]) -> Result<Vec<&mut M>> {
        let mut seen = HashSet::new();
        if !entities.iter().all(|entity| seen.insert(entity)) {
            return Err(Error::misuse(format!(
                "edit_many needs objects that differ, and two of these handles name the same {}",
                M::NAME
            )));
        }
        self.load_expired(entities)?;
        self.objects.mark_pending();
        self.objects.store_mut::<M>().edit_many(entities)
    }

    pub(super) fn refresh_if_expired<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        let found = self.objects.store_mut::<M>().current(entity).map(drop);
        self.refresh_unless(found, entity)
    }

    pub(super) fn refresh_to_edit<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        let found = self.objects.store_mut::<M>().editable(entity).map(drop);
        self.refresh_unless(found, entity)
    }

    fn refresh_unless<M: Persist<C::Backend>>(
        &mut self,
        found: std::result::Result<(), Trouble>,
        entity: Entity<M>,
    ) -> Result<()> {
        match found {
            Ok(()) => Ok(()),
            Err(Trouble::Expired) => self.read_again(entity, Arrival::Keeps),
            Err(trouble) => Err(self.objects.store_mut::<M>().explain(entity, trouble)),
        }
    }

    /// Reads the row of an object that stands for one.
    pub(super) fn read_again<M: Persist<C::Backend>>(&mut self, entity: Entity<M>, arrival: Arrival) -> Result<()> {
        self.about_to_use()?;
        let store = self.objects.store_mut::<M>();
        // What was pending is written now, and may have deleted it.
        store.find(entity)?;
        let key = match store.key(entity) {
            Ok(Some(key)) => key,
            Ok(None) => return Err(store.explain(entity, Trouble::Stale)),
            Err(trouble) => return Err(store.explain(entity, trouble)),
        };
        let Some(row) = M::find(&mut self.connection, &key)? else {
            self.lose(entity);
            return Err(not_found::<M>(&key));
        };
        let store = self.objects.store_mut::<M>();
        // Its own key and not the row's spelling of it: the object is the same.
        if store.put_loaded(key.clone(), row, arrival) != entity {
            self.lose(entity);
            return Err(not_found::<M>(&key));
        }
        Ok(())
    }

    /// Reads those again that could not be edited as they are.
    fn load_expired<M: Persist<C::Backend>>(&mut self, entities: &[Entity<M>]) -> Result<()> {
        let mut expired = Vec::new();
        let store = self.objects.store_mut::<M>();
        for &entity in entities {
            match (store.editable(entity), store.key(entity)) {
                (Err(Trouble::Expired), Ok(Some(key))) => expired.push((entity, key)),
                (Ok(_), _) => {}
                (Err(trouble), _) => return Err(store.explain(entity, trouble)),
            }
        }
        match &expired[..] {
            [] => return Ok(()),
            [(one, _)] => return self.read_again(*one, Arrival::Keeps),
            _ => {}
        }
        self.about_to_use()?;
        let keys: Vec<M::Key> = expired.iter().map(|(_, key)| key.clone()).collect();
        self.load_keys::<M>(&keys)?;
        for (entity, key) in expired {
            if self.objects.store_mut::<M>().find(entity).is_err() {
                return Err(not_found::<M>(&key));
            }
            // A row that spells its key otherwise is found by asking for it alone.
            self.refresh_to_edit(entity)?;
        }
        Ok(())
    }
}
