//! Merge, attach, detach, expunge, refresh, expire.

use aludel_core::{Dialect, Error, Result};

use crate::model::{Arrival, Columns, Entity, Persist, Role};
use crate::session::Session;
use crate::unit_of_work;

impl<C: Dialect> Session<C> {
    /// Copies a value into the object with its key, which is read first where the session has it not, and adds it where there is no
    /// such row (`Session.merge` in SQLAlchemy). Columns that the database alone writes stay as they are.
    ///
    /// A value whose version has the default of its type (0) is merged into whatever there is. With any other version it must be that
    /// of the row: somebody has read the value from it, and what came in between would be lost. A value from outside, of a form for
    /// instance, conflicts again when the transaction is run again: resolve it where it is merged.
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
    /// session.commit()?;
    /// let note = session.merge(Note { id: 1, text: "hello, world".to_owned() })?; // SELECT
    /// assert_eq!(session.changes(note)?, ["text"]);
    /// let new = session.merge(Note { id: 2, text: "new".to_owned() })?; // SELECT, and nothing is found
    /// session.commit()?; // INSERT, UPDATE notes SET text = ?
    /// assert_eq!(session[new].id, 2);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A version conflict; those of the query, and of writing what is pending before it.
    pub fn merge<M: Persist<C::Backend>>(&mut self, value: M) -> Result<Entity<M>> {
        let Some(key) = value.key() else {
            return Ok(self.add(value));
        };
        let Some(entity) = self.get::<M>(key.clone())? else {
            return Ok(self.add(value));
        };
        let unset = value.version_is_unset();
        if let (false, Some(expected)) = (unset, value.version_text())
            && let found = self.read(entity)?.version_text()
            && found.as_ref() != Some(&expected)
        {
            return Err(unit_of_work::version_conflict::<M>(Some(&key), &expected, found));
        }
        let target = self.edit(entity)?;
        let shape = M::shape();
        let version = shape.version.filter(|_| unset).map_or(Columns::NONE, Columns::one);
        let kept = shape.with_role(Role::ReadOnly).and(version);
        let before = std::mem::replace(target, value);
        kept.iter().for_each(|column| target.copy_column(&before, column));
        self.objects.store_mut::<M>().unlink_all(entity);
        Ok(entity)
    }

    /// Takes up a value of which the caller knows that there is such a row: a detached object (`make_transient_to_detached` and `add`
    /// in SQLAlchemy). Nothing is sent, and nothing is read; as any other value it is read again in the next transaction,
    /// once what was edited of it in the meantime is written. That edit is compared with the version that
    /// the value has.
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
    /// session.commit()?;
    /// session.close()?;
    /// let note = session.attach(Note { id: 1, text: "hello".to_owned() })?;
    /// session.edit(note)?.text.push('!');
    /// session.commit()?; // UPDATE notes SET text = ? WHERE id = ?, without a SELECT
    /// assert_eq!(session.read(note)?.text, "hello!");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the value has no key yet, or when the session has an object with that key.
    pub fn attach<M: Persist<C::Backend>>(&mut self, value: M) -> Result<Entity<M>> {
        let Some(key) = value.key() else {
            return Err(Error::misuse(format!(
                "a {} without a key stands for no row, so it cannot be attached; add() makes a row of it",
                M::NAME
            )));
        };
        let entity = self.objects.store_mut::<M>().attach(key, value)?;
        self.tell_changed();
        Ok(entity)
    }

    /// Takes an object out of the session, and gives its value: what was edited and not written included, an expired one read again.
    /// The handle is stale afterwards, and no rollback brings the object back. [`attach`](Self::attach) puts the value into another
    /// session, or into this one again.
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
    /// let plain: Note = session.detach(note)?;
    /// assert_eq!(plain.text, "hello");
    /// assert!(session.read(note).unwrap_err().is_stale_entity());
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`read`](Self::read).
    #[allow(clippy::missing_panics_doc, reason = "what was read has a value")]
    pub fn detach<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<M> {
        self.refresh_if_expired(entity)?;
        let value = self.objects.store_mut::<M>().expunge(entity)?;
        self.tell_changed();
        Ok(value.expect("refresh_if_expired() has seen it"))
    }

    /// Has the session forget an object, whatever its state (`Session.expunge` in SQLAlchemy): one that was added is never inserted,
    /// one that was edited or marked for deletion is not written, and no rollback brings it back. Its row stays what it is.
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
    /// session.expunge(note)?;
    /// session.commit()?; // there is nothing to write
    /// assert_eq!(session.get::<Note>(1)?, None);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session.
    pub fn expunge<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        self.objects.store_mut::<M>().expunge(entity)?;
        self.tell_changed();
        Ok(())
    }

    /// Has the session forget all objects; see [`expunge`](Self::expunge).
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
    /// session.expunge_all();
    /// assert!(!session.contains(note));
    /// assert!(session.get::<Note>(1)?.is_some()); // the row is there: SELECT
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn expunge_all(&mut self) {
        self.objects.clear();
        self.tell_changed();
    }

    /// Reads an object's row again, now, after writing what is pending, its own changes among it (`Session.refresh` in SQLAlchemy).
    /// Changes that could not be written yet ([`no_autoflush`](Self::no_autoflush)) are given up.
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
    /// session.with_raw(|raw| Ok(diesel::update(notes::table).set(notes::text.eq("changed")).execute(raw)?))?;
    /// session.refresh(note)?;
    /// assert_eq!(session[note].text, "changed");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] when the row is gone, and then the object leaves; when the object is not written yet; those of the
    /// query, and of writing what is pending.
    pub fn refresh<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        self.objects.store_mut::<M>().find(entity)?;
        self.about_to_use()?;
        self.objects.store_mut::<M>().persistent(entity, "refreshed")?;
        self.read_again(entity, Arrival::Replaces)
    }

    /// Has an object read again when it is next used (`Session.expire` in SQLAlchemy). Changes of it that were not written are given
    /// up. It sends nothing.
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
    /// session.edit(note)?.text = "a mistake".to_owned();
    /// session.expire(note)?;
    /// assert_eq!(session.read(note)?.text, "hello");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session, or the object is not written yet.
    pub fn expire<M: Persist<C::Backend>>(&mut self, entity: Entity<M>) -> Result<()> {
        self.objects.store_mut::<M>().expire(entity)
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
        self.objects.expire_all();
    }
}
