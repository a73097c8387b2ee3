//! Parents and children.

use std::any::TypeId;
use std::collections::HashMap;

use aludel_core::{Dialect, Error, Result};

use crate::model::{Arrival, BelongsTo, Entity, ForeignKey, Link, Model, Persist};
use crate::session::Session;
use crate::sql::ByParents;
use crate::unit_of_work::Place;

/// Parents in the WHERE of one SELECT. More save round trips, fewer keep what the server has to parse small.
const PAGE: usize = 500;

impl<C: Dialect> Session<C> {
    /// Adds a child of a parent, whose key is filled in when both are written. For models with one foreign key to the parent's;
    /// [`set_parent`](Self::set_parent) is for the others.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let ann = session.add(Author { id: 0, name: "Ann".to_owned() });
    /// let book = session.add_to(ann, Book { id: 0, author_id: None, title: "Tea".to_owned() })?;
    /// session.flush()?; // INSERT INTO authors .., INSERT INTO books ..
    /// assert_eq!(session[book].author_id, Some(session[ann].id));
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session; then nothing is added.
    pub fn add_to<P, M>(&mut self, parent: Entity<P>, child: M) -> Result<Entity<M>>
    where
        P: Persist<C::Backend>,
        M: Persist<C::Backend> + BelongsTo<P>,
    {
        self.objects.store_mut::<P>().find(parent)?;
        let child = self.add(child);
        self.set_parent(child, M::FOREIGN_KEY, parent)?;
        Ok(child)
    }

    /// Gives a child to a parent. Where the parent has a row, its key is written into the child at once, as an edit; where it has none
    /// yet, with the flush that inserts it, in front of the child.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let book = session.add(Book { id: 0, author_id: None, title: "Tea".to_owned() });
    /// session.flush()?;
    /// let ann = session.add(Author { id: 0, name: "Ann".to_owned() });
    /// session.set_parent(book, Book::AUTHOR_ID, ann)?;
    /// session.flush()?; // INSERT INTO authors .., UPDATE books SET author_id = ..
    /// assert_eq!(session[book].author_id, Some(1));
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the handles names no object of this session; those of reading an expired child.
    pub fn set_parent<M, P>(&mut self, child: Entity<M>, reference: ForeignKey<M, P>, parent: Entity<P>) -> Result<()>
    where
        M: Persist<C::Backend>,
        P: Persist<C::Backend>,
    {
        let number = number_of(reference)?;
        self.objects.store_mut::<P>().find(parent)?;
        // First, since to read the child may be to write the parent.
        self.refresh_to_edit(child)?;
        let parents = self.objects.store_mut::<P>();
        parents.find(parent)?;
        let (row, generation) = (parents.row_key(parent), parent.generation());
        // The one that it will have, where its key is edited: it is written before its children.
        let edited = parents.value(parent).ok().and_then(Model::key);
        let key = edited.or_else(|| parents.key(parent).ok().flatten());
        let place = self.place_of(parent);
        let value = self.edit(child)?;
        if let Some(key) = key {
            reference.set(value, Some(key));
        }
        let children = self.objects.store_mut::<M>();
        if row.is_some() {
            children.unlink_one(child, number);
        } else {
            children.link(
                child,
                Link {
                    reference: number,
                    parent: place,
                    generation,
                },
            );
        }
        Ok(())
    }

    /// Takes a child from its parent: the foreign key becomes NULL with the next flush.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let ann = session.add(Author { id: 0, name: "Ann".to_owned() });
    /// let book = session.add_to(ann, Book { id: 0, author_id: None, title: "Tea".to_owned() })?;
    /// session.flush()?;
    /// session.clear_parent(book, Book::AUTHOR_ID)?;
    /// assert_eq!(session.parent(book, Book::AUTHOR_ID)?, None);
    /// session.flush()?; // UPDATE books SET author_id = NULL
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the foreign key cannot be NULL; when the handle names no object of this session; those of reading an expired child.
    pub fn clear_parent<M, P>(&mut self, child: Entity<M>, reference: ForeignKey<M, P>) -> Result<()>
    where
        M: Persist<C::Backend>,
        P: Model,
    {
        let number = number_of(reference)?;
        if !reference.is_nullable() {
            return Err(Error::misuse(format!(
                "{}.{} cannot be NULL, so {} always has a {}; give it to another one with set_parent, or delete it",
                M::NAME,
                reference.name(),
                M::NAME,
                P::NAME
            )));
        }
        reference.set(self.edit(child)?, None);
        self.objects.store_mut::<M>().unlink_one(child, number);
        Ok(())
    }

    /// The parent of a child, as the child has it now, written or not: without a statement when the session has it, and `None` where
    /// there is none. A key without a row is none as well.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let ann = session.add(Author { id: 0, name: "Ann".to_owned() });
    /// let book = session.add_to(ann, Book { id: 0, author_id: None, title: "Tea".to_owned() })?;
    /// assert_eq!(session.parent(book, Book::AUTHOR_ID)?, Some(ann)); // before either is written
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session; those of the queries.
    pub fn parent<M, P>(&mut self, child: Entity<M>, reference: ForeignKey<M, P>) -> Result<Option<Entity<P>>>
    where
        M: Persist<C::Backend>,
        P: Persist<C::Backend>,
    {
        let number = number_of(reference)?;
        let key = reference.get(self.read(child)?);
        if let Some(link) = self.objects.store_mut::<M>().link_of(child, number) {
            return Ok(self.objects.store_mut::<P>().linked(link));
        }
        match key {
            Some(key) => self.get::<P>(key),
            None => Ok(None),
        }
    }

    /// The children of a parent, in the order of their keys, after writing what is pending: one SELECT, whose rows become objects as
    /// those of [`query`](Self::query) do.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let ann = session.add(Author { id: 0, name: "Ann".to_owned() });
    /// let book = session.add_to(ann, Book { id: 0, author_id: None, title: "Tea".to_owned() })?;
    /// assert_eq!(session.children(ann, Book::AUTHOR_ID)?, [book]);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the handle names no object of this session; those of the query, and of writing what is pending before it.
    pub fn children<M, P>(&mut self, parent: Entity<P>, reference: ForeignKey<M, P>) -> Result<Vec<Entity<M>>>
    where
        M: Persist<C::Backend>,
        P: Persist<C::Backend>,
    {
        let mut children = self.children_of(&[parent], reference)?;
        Ok(children.pop().unwrap_or_default())
    }

    /// The children of each of these parents, in the order of the parents: one SELECT for each page of 500 of them
    /// (`selectinload` in SQLAlchemy); see [`children`](Self::children).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    /// # diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = authors)]
    /// # struct Author { id: i32, name: String }
    /// #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// #[diesel(table_name = books)]
    /// struct Book { id: i32, #[model(belongs_to = Author)] author_id: Option<i32>, title: String }
    /// # let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # let mut session = engine.session();
    /// # diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&mut session)?;
    /// # diesel::sql_query("CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER, title TEXT NOT NULL)")
    /// #     .execute(&mut session)?;
    /// let authors = session.add_all(["Ann", "Bob"].map(|name| Author { id: 0, name: name.to_owned() }));
    /// let book = session.add_to(authors[1], Book { id: 0, author_id: None, title: "Tea".to_owned() })?;
    /// assert_eq!(session.children_of(&authors, Book::AUTHOR_ID)?, [vec![], vec![book]]);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`children`](Self::children), for any of them.
    pub fn children_of<M, P>(
        &mut self,
        parents: &[Entity<P>],
        reference: ForeignKey<M, P>,
    ) -> Result<Vec<Vec<Entity<M>>>>
    where
        M: Persist<C::Backend>,
        P: Persist<C::Backend>,
    {
        let number = number_of(reference)?;
        for &parent in parents {
            self.objects.store_mut::<P>().find(parent)?;
        }
        self.about_to_use()?;
        let mut families: HashMap<P::Key, Vec<Entity<M>>> = HashMap::new();
        let mut keys = Vec::with_capacity(parents.len());
        for &parent in parents {
            let key = self.objects.store_mut::<P>().row_key(parent);
            families.extend(key.clone().map(|key| (key, Vec::new())));
            keys.push(key);
        }
        let asked: Vec<P::Key> = families.keys().cloned().collect();
        for page in asked.chunks(PAGE) {
            let select = ByParents {
                flavour: C::FLAVOUR,
                reference,
                keys: page,
                with_marked: false,
            };
            for row in M::select(&mut self.connection, select)? {
                let (Some(key), Some(parent)) = (row.key(), reference.get(&row)) else {
                    continue;
                };
                let child = self.put(key, row, Arrival::Keeps);
                families.entry(parent).or_default().push(child);
            }
        }
        let mut found = Vec::with_capacity(parents.len());
        for (key, &parent) in keys.into_iter().zip(parents) {
            found.push(if let Some(key) = key {
                families.get(&key).cloned().unwrap_or_default()
            } else {
                // It has no row, so it has those children alone that were given to it since.
                let parent = self.link_to(parent, number);
                self.objects.store_mut::<M>().linked_to(parent)
            });
        }
        Ok(found)
    }

    fn link_to<P: Persist<C::Backend>>(&mut self, parent: Entity<P>, reference: usize) -> Link {
        Link {
            reference,
            parent: self.place_of(parent),
            generation: parent.generation(),
        }
    }

    fn place_of<P: Persist<C::Backend>>(&mut self, parent: Entity<P>) -> Place {
        self.objects.store_mut::<P>();
        let store = self.objects.position(TypeId::of::<P>());
        Place {
            store: store.expect("store_mut() has made it"),
            index: parent.index(),
        }
    }
}

/// Which of its model's foreign keys this is.
fn number_of<M: Model, P: Model>(reference: ForeignKey<M, P>) -> Result<usize> {
    reference.number().ok_or_else(|| {
        Error::misuse(format!(
            "{} has no foreign key {} to {}",
            M::NAME,
            reference.name(),
            P::NAME
        ))
    })
}
