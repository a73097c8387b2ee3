//! Objects: what a model is, handles to the objects of a session, and the map that holds them.
//!
//! | File | What happens there |
//! |---|---|
//! | `shape` | columns, as numbers |
//! | `embedded` | structs whose fields are columns |
//! | `reference` | foreign keys, as values |
//! | `timestamp` | times that a flush writes |
//! | `entity` | the handle |
//! | `store` | the objects of one model: their states, and what transactions do to them |
//! | `map` | all stores of a session, and the order in which a flush visits them |

use std::fmt::Debug;
use std::hash::Hash;

use aludel_core::{Dialect, Result};
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;

use crate::connection::Connection;
use crate::unit_of_work::Cascading;

mod embedded;
mod entity;
mod map;
mod reference;
mod shape;
mod store;
mod timestamp;

pub use embedded::{BindEmbedded, Embedded};
pub use entity::Entity;
pub(crate) use map::IdentityMap;
pub use reference::{BelongsTo, ForeignKey, OnDelete, Reference};
pub use shape::{Column, Columns, Role, Shape, VersionKind};
pub(crate) use store::{Arrival, Link, Lookup, State, Store, Trouble};
pub(crate) use timestamp::whole_microseconds;
pub use timestamp::{Stamp, Timestamp};

/// A struct that stands for the rows of a table; `#[derive(Model)]` implements it.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = accounts)]
/// struct Account { id: i32, owner: String, balance: i64, #[model(version)] version: i32 }
///
/// let account = Account { id: 7, owner: "Ann".to_owned(), balance: 100, version: 0 };
/// assert_eq!(Model::key(&account), Some(7));
/// assert_eq!(Account::NAME, "Account");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "not a model",
    note = "derive it with `#[derive(Model, Queryable, Selectable, Clone)]`"
)]
pub trait Model: Clone + Send + 'static {
    /// The key: the type of the key field, or a tuple of several.
    type Key: Clone + Eq + Ord + Hash + Debug + Send + 'static;

    /// Name of the struct, for errors.
    const NAME: &'static str;

    /// Full name of the type that Diesel's `table!` has made, by which statements on it are recognised.
    #[doc(hidden)]
    fn table() -> &'static str;

    /// The key; none while it has still to be made, by the database or by a function of the program.
    fn key(&self) -> Option<Self::Key>;

    /// Whether the mark of a deleted row is a time, and not a boolean.
    #[doc(hidden)]
    const SOFT_DELETE_IS_TIME: bool = true;

    /// Columns, key and version of the model, as data.
    #[doc(hidden)]
    fn shape() -> &'static Shape;

    /// The columns in which this object differs from another one.
    #[doc(hidden)]
    fn changes(&self, other: &Self) -> Columns;

    /// Those columns with a server default whose field has the default of its type.
    #[doc(hidden)]
    fn unset(&self) -> Columns {
        Columns::NONE
    }

    /// Takes a key that the database has made.
    #[doc(hidden)]
    fn set_key(&mut self, key: Self::Key);

    /// Takes the value of one column from another object of the model.
    #[doc(hidden)]
    fn copy_column(&mut self, from: &Self, column: usize);

    /// A key from what `LAST_INSERT_ID()` and the like answer, where a key is such a number.
    #[doc(hidden)]
    fn key_from_id(_id: i64) -> Option<Self::Key> {
        None
    }

    /// Makes the key, where the client makes it and has not yet.
    #[doc(hidden)]
    fn make_key(&mut self) {}

    /// Sets the columns that are set to the current time.
    #[doc(hidden)]
    fn stamp(&mut self, _what: Stamp, _now: std::time::SystemTime) {}

    /// The next version: the first one without `loaded`, else the one after it, unless the program has set one.
    #[doc(hidden)]
    fn advance_version(&mut self, _loaded: Option<&Self>) {}

    /// The version in words, for errors; none for models without.
    #[doc(hidden)]
    fn version_text(&self) -> Option<String> {
        None
    }

    /// Whether the version says nothing: it has the default of its type.
    #[doc(hidden)]
    fn version_is_unset(&self) -> bool {
        true
    }

    /// Its foreign keys to other models.
    #[doc(hidden)]
    const REFERENCES: &'static [&'static dyn Reference<Self>] = &[];
}

/// How a model is read from and written to one backend; `#[derive(Model)]` implements it for each one that is compiled
/// in.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = notes)]
/// struct Note { id: i32, text: String }
///
/// /// Works on every backend that the model can be written to.
/// fn add_twice<M, C>(session: &mut Session<C>, object: M) -> (Entity<M>, Entity<M>)
/// where
///     C: Dialect,
///     M: Persist<C::Backend>,
/// {
///     (session.add(object.clone()), session.add(object))
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let (first, second) = add_twice(&mut session, Note { id: 0, text: "again".to_owned() });
/// assert_ne!(first, second);
/// session.rollback()?;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model on this database",
    label = "not a model",
    note = "derive it with `#[derive(Model, Queryable, Selectable, Clone)]`, and compile `aludel` with the feature of \
            the database (`sqlite`, `mysql`, `postgres`)"
)]
pub trait Persist<DB: Backend>: Model {
    /// The row with this key.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn find<C: Dialect<Backend = DB>>(connection: &mut Connection<C>, key: &Self::Key) -> QueryResult<Option<Self>>;

    /// The rows of a SELECT of ours, with all columns of the model.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    #[doc(hidden)]
    fn select<C, F>(connection: &mut Connection<C>, rows: F) -> QueryResult<Vec<Self>>
    where
        C: Dialect<Backend = DB>,
        F: QueryFragment<DB>;

    /// Runs an INSERT of ours that gives back the keys that the database has made.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    #[doc(hidden)]
    fn insert_returning<C, F>(_connection: &mut Connection<C>, _insert: F) -> QueryResult<Vec<Self::Key>>
    where
        C: Dialect<Backend = DB>,
        F: QueryFragment<DB>,
    {
        Ok(Vec::new())
    }

    /// The value of a column, as a bind parameter.
    ///
    /// # Errors
    ///
    /// When it cannot be written as the column's type.
    #[doc(hidden)]
    fn bind<'b>(&'b self, column: usize, pass: AstPass<'_, 'b, DB>) -> QueryResult<()>;

    /// A column of a key, as a bind parameter.
    ///
    /// # Errors
    ///
    /// When it cannot be written as the column's type.
    #[doc(hidden)]
    fn bind_key<'b>(key: &'b Self::Key, column: usize, pass: AstPass<'_, 'b, DB>) -> QueryResult<()>;

    /// The name of the table, quoted, with its schema.
    ///
    /// # Errors
    ///
    /// None in practice.
    #[doc(hidden)]
    fn walk_table(pass: AstPass<'_, '_, DB>) -> QueryResult<()>;

    /// Sees to the children of objects that are about to be deleted.
    ///
    /// # Errors
    ///
    /// Those of the statements.
    #[doc(hidden)]
    fn cascade<C: Dialect<Backend = DB>>(_cascading: &mut Cascading<'_, C, Self>) -> Result<()> {
        Ok(())
    }
}
